//===- PlanHeader.h - a plan's names and types as C++ -------------*- C++
//-*-===//
//
// The header that an application includes to use a plan built into it: every
// name, shape, type and size of the plan as a constant.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_TOOLS_TRAINC_PLANHEADER_H
#define TRAINC_TOOLS_TRAINC_PLANHEADER_H

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace trainc::tools {

/// True for `name` or `outer::inner`, of identifiers that C++ allows.
bool isNamespace(std::string_view text);

/// The text of the header. `plan` must have passed the plan verifier. Equal
/// plans give equal text.
std::string planHeader(std::span<const uint8_t> plan,
                       std::string_view namespaceName);

} // namespace trainc::tools

#endif // TRAINC_TOOLS_TRAINC_PLANHEADER_H
