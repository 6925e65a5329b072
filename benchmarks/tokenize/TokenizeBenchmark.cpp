//===- TokenizeBenchmark.cpp - the SentencePiece library alone ------------===//
//
// Encodes a text line by line with nothing but the library, on one thread, and
// prints the seconds that took: what `trainrun tokenize` is measured by.
//
//   tokenize-benchmark MODEL TEXT
//
//===----------------------------------------------------------------------===//

#include <chrono>
#include <cstdio>
#include <fstream>
#include <sentencepiece_processor.h>
#include <string>
#include <vector>

int main(int argc, char **argv) {
  sentencepiece::SentencePieceProcessor processor;
  std::ifstream text(argc == 3 ? argv[2] : "", std::ios::binary);
  if (!text || !processor.Load(argv[1]).ok()) {
    std::fprintf(stderr, "error: expected a model and a text file\n");
    return 1;
  }
  auto begin = std::chrono::steady_clock::now();
  std::vector<int> ids;
  size_t bytes = 0, tokens = 0;
  // The line end is a token of its own in our models, as in `trainrun`.
  for (std::string line; std::getline(text, line);) {
    line += '\n';
    if (!processor.Encode(line, &ids).ok())
      return 3;
    bytes += line.size();
    tokens += ids.size();
  }
  std::chrono::duration<double> elapsed =
      std::chrono::steady_clock::now() - begin;
  std::printf("%zu %zu %.6f\n", bytes, tokens, elapsed.count());
}
