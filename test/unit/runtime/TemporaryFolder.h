//===- TemporaryFolder.h - a folder that goes away ---------------*- C++
//-*-===//
//
// Gives each test an empty folder of its own, removed with the object.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_TEST_UNIT_RUNTIME_TEMPORARYFOLDER_H
#define TRAINC_TEST_UNIT_RUNTIME_TEMPORARYFOLDER_H

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <unistd.h>

namespace trainc::test {

class TemporaryFolder {
public:
  TemporaryFolder()
      : TemporaryFolder(std::filesystem::temp_directory_path().string()) {}
  /// In memory where the system has such a place: a flush costs nothing.
  static TemporaryFolder inMemory() {
    const char *memory = "/dev/shm";
    return access(memory, W_OK) == 0 ? TemporaryFolder(memory)
                                     : TemporaryFolder();
  }
  ~TemporaryFolder() {
    std::error_code error;
    if (!path_.empty())
      std::filesystem::remove_all(path_, error);
  }
  TemporaryFolder(const TemporaryFolder &) = delete;

  const std::string &path() const { return path_; }
  std::string operator/(const std::string &name) const {
    return path_ + "/" + name;
  }

private:
  explicit TemporaryFolder(const std::string &parent) {
    std::string name = parent + "/trainc-test-XXXXXX";
    if (mkdtemp(name.data()))
      path_ = name;
  }

  std::string path_;
};

inline void writeText(const std::string &path, const std::string &text) {
  std::ofstream(path, std::ios::binary) << text;
}

inline std::string readText(const std::string &path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

} // namespace trainc::test

#endif // TRAINC_TEST_UNIT_RUNTIME_TEMPORARYFOLDER_H
