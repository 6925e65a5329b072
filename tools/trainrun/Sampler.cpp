//===- Sampler.cpp --------------------------------------------------------===//

#include "tools/trainrun/Sampler.h"

#include "runtime/core/Philox.h"
#include "runtime/data/Tokenizer.h"

#include <algorithm>
#include <cmath>

namespace trainc::trainrun {

/// Separates these draws from the other uses of Philox.
static constexpr uint32_t kSampleDomain = 0x534d504c; // "SMPL"

uint32_t Sampler::draw(std::span<const float> logits, uint64_t position) {
  candidates_.clear();
  for (uint32_t id = 0; id < logits.size(); ++id)
    if (!std::isnan(logits[id]))
      candidates_.push_back(id);
  if (candidates_.empty())
    return 0;
  auto better = [&](uint32_t a, uint32_t b) {
    return logits[a] != logits[b] ? logits[a] > logits[b] : a < b;
  };
  size_t kept = candidates_.size();
  if (temperature_ <= 0)
    kept = 1;
  else if (top_k_ > 0)
    kept = std::min<size_t>(kept, top_k_);
  std::partial_sort(candidates_.begin(), candidates_.begin() + kept,
                    candidates_.end(), better);
  if (kept == 1 || std::isinf(logits[candidates_[0]]))
    return candidates_[0];

  double top = logits[candidates_[0]], total = 0;
  weights_.clear();
  for (size_t i = 0; i < kept; ++i) {
    total += std::exp((logits[candidates_[i]] - top) / temperature_);
    weights_.push_back(total);
  }
  double target =
      PhiloxStream(seed_, kSampleDomain, position, 0).uniform() * total;
  auto at = std::upper_bound(weights_.begin(), weights_.end(), target);
  return candidates_[std::min<size_t>(at - weights_.begin(), kept - 1)];
}

/// Bytes that a character with this lead byte has; 0 for no lead byte.
static size_t lengthByLead(unsigned char lead) {
  return lead < 0x80                   ? 1
         : lead >= 0xc2 && lead < 0xe0 ? 2
         : lead >= 0xe0 && lead < 0xf0 ? 3
         : lead >= 0xf0 && lead < 0xf5 ? 4
                                       : 0;
}

static constexpr std::string_view kReplacement = "\xef\xbf\xbd";

std::string Utf8Stream::push(std::string_view bytes) {
  pending_ += bytes;
  std::string complete;
  while (!pending_.empty()) {
    size_t good = findInvalidUtf8(pending_);
    complete.append(pending_, 0, good);
    pending_.erase(0, good);
    if (pending_.empty())
      break;
    // A lead byte whose followers have all been right so far may be completed
    // by the next token.
    size_t length = lengthByLead(static_cast<unsigned char>(pending_[0]));
    bool whole = std::all_of(pending_.begin() + 1, pending_.end(), [](char c) {
      return (static_cast<unsigned char>(c) & 0xc0) == 0x80;
    });
    if (pending_.size() < length && whole)
      break;
    complete += kReplacement;
    pending_.erase(0, 1);
  }
  return complete;
}

std::string Utf8Stream::finish() {
  std::string rest;
  for (size_t i = 0; i < pending_.size(); ++i)
    rest += kReplacement;
  pending_.clear();
  return rest;
}

} // namespace trainc::trainrun
