//===- Gpt2.h - the GPT-2 family --------------------------------*- C++ -*-===//
//
// Decoder-only transformer of Radford et al. 2019 with the names, layouts and
// initialisation of Hugging Face's GPT2LMHeadModel; see card.md.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_MODELS_GPT2_GPT2_H
#define TRAINC_MODELS_GPT2_GPT2_H

#include "models/Registry.h"

namespace trainc::models {

Family describeGpt2();

} // namespace trainc::models

#endif // TRAINC_MODELS_GPT2_GPT2_H
