//===- SafetensorsHeader.cpp ----------------------------------------------===//

#include "runtime/checkpoint/SafetensorsHeader.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace trainc {

using Json = nlohmann::json;

namespace {

/// More than any model has; a header full of dimensions is not worth reading.
constexpr size_t kMaxRank = 32;

/// The events of the JSON parser, each of which returns whether to go on.
class HeaderReader {
public:
  explicit HeaderReader(std::vector<TensorInfo> &tensors) : tensors_(tensors) {}

  std::string problem;

  bool null() { return value("null"); }
  bool boolean(bool value) { return this->value(value ? "true" : "false"); }
  bool number_integer(int64_t number) { return value(std::to_string(number)); }
  bool number_float(double, const std::string &text) { return value(text); }
  bool binary(Json::binary_t &) { return value("bytes"); }

  bool number_unsigned(uint64_t number) {
    if (place_ == Place::Shape && tensor_.shape.size() != kMaxRank)
      tensor_.shape.push_back(number);
    else if (place_ == Place::Offsets && offset_count_ != 2)
      (offset_count_++ == 0 ? tensor_.offset_bytes : end_bytes_) = number;
    else
      return value(std::to_string(number));
    return true;
  }

  bool string(std::string &text) {
    if (place_ == Place::Metadata)
      return true;
    if (place_ != Place::Tensor || field_ != "dtype")
      return value(quoted(text));
    const std::optional<TensorType> type = parseTensorType(text);
    if (!type)
      return fail("expected a known dtype", quoted(text));
    tensor_.type = *type;
    has_type_ = true;
    return true;
  }

  bool key(std::string &text) {
    if (place_ == Place::Metadata) {
      field_ = text;
      return true;
    }
    if (place_ == Place::Header) {
      name_ = text;
      return true;
    }
    if (text != "dtype" && text != "shape" && text != "data_offsets")
      return fail("expected 'dtype', 'shape' and 'data_offsets'", quoted(text));
    const bool again = (text == "dtype" && has_type_) ||
                       (text == "shape" && has_shape_) ||
                       (text == "data_offsets" && has_offsets_);
    field_ = text;
    return !again || fail("expected every key once", quoted(text) + " twice");
  }

  bool start_object(size_t) {
    if (place_ == Place::Start) {
      place_ = Place::Header;
    } else if (place_ == Place::Header && name_ == "__metadata__") {
      place_ = Place::Metadata;
    } else if (place_ == Place::Header) {
      place_ = Place::Tensor;
      tensor_ = {};
      tensor_.name = name_;
      offset_count_ = 0;
      has_type_ = has_shape_ = has_offsets_ = false;
    } else {
      return value("an object");
    }
    return true;
  }

  bool end_object() {
    if (place_ == Place::Tensor && !finishTensor())
      return false;
    place_ = place_ == Place::Header ? Place::End : Place::Header;
    return true;
  }

  bool start_array(size_t) {
    if (place_ != Place::Tensor || field_ == "dtype")
      return value("an array");
    place_ = field_ == "shape" ? Place::Shape : Place::Offsets;
    return true;
  }

  bool end_array() {
    if (place_ == Place::Offsets && offset_count_ != 2)
      return value("fewer");
    (place_ == Place::Shape ? has_shape_ : has_offsets_) = true;
    place_ = Place::Tensor;
    return true;
  }

  bool parse_error(size_t position, const std::string &,
                   const Json::exception &) {
    problem = fmt::format("expected a JSON object as header, but got no JSON "
                          "from byte {} of it on",
                          position);
    return false;
  }

private:
  enum class Place { Start, Header, Metadata, Tensor, Shape, Offsets, End };

  static std::string quoted(std::string_view text) {
    constexpr size_t kShown = 80;
    return fmt::format("'{}{}'", text.substr(0, kShown),
                       text.size() > kShown ? "…" : "");
  }

  bool fail(std::string_view expected, std::string_view got) {
    const bool inside = place_ != Place::Start && place_ != Place::Header &&
                        place_ != Place::Metadata;
    problem = fmt::format("{}{}, but got {}",
                          inside ? "tensor " + quoted(name_) + ": " : "",
                          expected, got);
    return false;
  }

  /// A value that has no place here.
  bool value(std::string_view got) {
    switch (place_) {
    case Place::Header:
      if (name_ == "__metadata__")
        return fail("expected '__metadata__' to be an object", got);
      return fail(fmt::format("tensor {}: expected an object", quoted(name_)),
                  got);
    case Place::Metadata:
      return fail(
          fmt::format("expected metadata {} to be a text", quoted(field_)),
          got);
    case Place::Tensor:
      if (field_ == "dtype")
        return fail("expected a text 'dtype'", got);
      if (field_ == "shape")
        return fail("expected an array 'shape'", got);
      [[fallthrough]];
    case Place::Offsets:
      return fail("expected 'data_offsets' to be two whole numbers from 0",
                  got);
    case Place::Shape:
      return fail(fmt::format("expected 'shape' to hold at most {} whole "
                              "numbers from 0",
                              kMaxRank),
                  got);
    case Place::Start:
    case Place::End:
      break;
    }
    return fail("expected a JSON object as header", got);
  }

  bool finishTensor() {
    if (!has_type_)
      return fail("expected a 'dtype'", "none");
    if (!has_shape_)
      return fail("expected a 'shape'", "none");
    if (!has_offsets_)
      return fail("expected 'data_offsets'", "none");
    if (end_bytes_ < tensor_.offset_bytes)
      return fail("expected data_offsets in order",
                  fmt::format("[{}, {}]", tensor_.offset_bytes, end_bytes_));
    tensor_.size_bytes = end_bytes_ - tensor_.offset_bytes;
    const std::optional<uint64_t> size =
        tensorSizeBytes(tensor_.type, tensor_.shape);
    if (size != tensor_.size_bytes)
      return fail(
          fmt::format("expected {} bytes for {} {}",
                      size ? std::to_string(*size) : "an addressable number of",
                      tensorTypeName(tensor_.type), formatShape(tensor_.shape)),
          fmt::format("{} bytes", tensor_.size_bytes));
    tensors_.push_back(std::move(tensor_));
    return true;
  }

  std::vector<TensorInfo> &tensors_;
  Place place_ = Place::Start;
  std::string name_, field_; ///< the last keys of the header and below it
  TensorInfo tensor_;
  uint64_t end_bytes_ = 0;
  uint32_t offset_count_ = 0;
  bool has_type_ = false, has_shape_ = false, has_offsets_ = false;
};

} // namespace

std::string parseSafetensorsHeader(std::string_view header,
                                   std::vector<TensorInfo> &tensors) {
  HeaderReader reader(tensors);
  if (Json::sax_parse(header.begin(), header.end(), &reader))
    return {};
  return reader.problem;
}

} // namespace trainc
