//===- Status.h - errors as values -------------------------------*- C++
//-*-===//
//
// Every fallible function of the runtime returns Status or Result<T>: no
// exceptions, no abort, no exit. A message reads "expected X, but got Y", says
// where, and what to do. The code decides the exit status of the tools.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_RUNTIME_CORE_STATUS_H
#define TRAINC_RUNTIME_CORE_STATUS_H

#include <optional>
#include <string>
#include <utility>

namespace trainc {

enum class StatusCode {
  Ok = 0,
  User = 1,   ///< wrong arguments, recipe, data or weights: the user can fix it
  File = 2,   ///< a damaged or inconsistent file
  System = 3, ///< no memory, no disk space, missing CPU features, I/O errors
};

class [[nodiscard]] Status {
public:
  Status() = default;
  Status(StatusCode code, std::string message)
      : code_(code), message_(std::move(message)) {}

  static Status user(std::string m) { return {StatusCode::User, std::move(m)}; }
  static Status file(std::string m) { return {StatusCode::File, std::move(m)}; }
  static Status system(std::string m) {
    return {StatusCode::System, std::move(m)};
  }

  bool ok() const { return code_ == StatusCode::Ok; }
  StatusCode code() const { return code_; }
  const std::string &message() const { return message_; }
  /// Exit status of a tool that ends with this: 0, 1, 2 or 3.
  int exitStatus() const { return static_cast<int>(code_); }

private:
  StatusCode code_ = StatusCode::Ok;
  std::string message_;
};

/// A T or the Status that says why there is none.
template <typename T> class [[nodiscard]] Result {
public:
  Result(T value) : value_(std::move(value)) {}
  Result(Status status) : status_(std::move(status)) {}

  bool ok() const { return value_.has_value(); }
  const Status &status() const { return status_; }
  T &operator*() { return *value_; }
  const T &operator*() const { return *value_; }
  T *operator->() { return &*value_; }
  const T *operator->() const { return &*value_; }

private:
  std::optional<T> value_;
  Status status_;
};

/// Returns from the enclosing function when `expression` is not ok.
#define TRAINC_RETURN_IF_ERROR(expression)                                     \
  do {                                                                         \
    if (::trainc::Status status_ = (expression); !status_.ok())                \
      return status_;                                                          \
  } while (0)

} // namespace trainc

#endif // TRAINC_RUNTIME_CORE_STATUS_H
