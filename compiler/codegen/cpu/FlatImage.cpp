//===- FlatImage.cpp - objects to one position-independent image ----------===//
//
// Decides what may be in a plan's code: one section of instructions and
// constants, which refer to each other relative to themselves. Linked at
// address 0, so that the section's contents are the image and symbols are
// offsets into it.
//
//===----------------------------------------------------------------------===//
#include "compiler/codegen/cpu/FlatImage.h"

#include "lld/Common/Driver.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/BinaryFormat/ELF.h"
#include "llvm/Object/ELFObjectFile.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include <mutex>

LLD_HAS_DRIVER(elf)

using namespace llvm;
using namespace llvm::object;

namespace trainc::codegen {

static constexpr char linkerScript[] = R"(SECTIONS {
  .code 0 : { *(.text .text.* .rodata .rodata.*) }
  .symtab : { *(.symtab) }
  .strtab : { *(.strtab) }
  .shstrtab : { *(.shstrtab) }
  /DISCARD/ : { *(*) }
}
)";

Error checkObject(const KernelObject &kernel, const StringSet<> &shared) {
  MemoryBufferRef buffer(StringRef(kernel.bytes.data(), kernel.bytes.size()),
                         kernel.entry);
  auto file = ELFObjectFile<ELF64LE>::create(buffer);
  if (!file)
    return file.takeError();
  for (const ELFSymbolRef symbol : file->symbols()) {
    Expected<uint32_t> flags = symbol.getFlags();
    Expected<StringRef> name = symbol.getName();
    if (!flags)
      return flags.takeError();
    if (!name)
      return name.takeError();
    if ((*flags & SymbolRef::SF_Undefined) && !name->empty() &&
        !shared.contains(*name))
      return createStringError(
          "expected code that calls nothing, but it needs '" + *name +
          "'; the operation that LLVM lowers to this call must be "
          "expanded before");
  }
  for (const ELFSectionRef section : file->sections()) {
    Expected<StringRef> name = section.getName();
    if (!name)
      return name.takeError();
    if (!(section.getFlags() & ELF::SHF_ALLOC) || section.getSize() == 0)
      continue;
    if (section.getFlags() & (ELF::SHF_WRITE | ELF::SHF_TLS))
      return createStringError("expected no writable data, but got section " +
                               *name);
  }
  for (const ELFSectionRef section : file->sections()) {
    Expected<section_iterator> target = section.getRelocatedSection();
    if (!target)
      return target.takeError();
    if (*target == file->section_end() ||
        !(ELFSectionRef(**target).getFlags() & ELF::SHF_ALLOC) ||
        *(*target)->getName() == ".eh_frame")
      continue;
    for (const RelocationRef relocation : section.relocations()) {
      uint64_t type = relocation.getType();
      if (type != ELF::R_X86_64_PC32 && type != ELF::R_X86_64_PLT32 &&
          type != ELF::R_X86_64_PC64)
        return createStringError(
            "expected only relative addresses, but got relocation type " +
            Twine(type) + " in " + *(*target)->getName());
    }
  }
  return Error::success();
}

static Error writeFile(StringRef path, StringRef bytes) {
  std::error_code code;
  raw_fd_ostream stream(path, code);
  if (!code) {
    stream << bytes;
    stream.close();
    code = stream.error();
  }
  stream.clear_error();
  if (code)
    return createStringError("expected to write " + path +
                             ", but got: " + code.message());
  return Error::success();
}

/// Runs LLD on the files; it is one per process at a time.
static Error runLinker(ArrayRef<std::string> arguments) {
  static std::mutex mutex;
  std::lock_guard<std::mutex> lock(mutex);
  SmallVector<const char *> raw;
  for (const std::string &argument : arguments)
    raw.push_back(argument.c_str());
  std::string errors;
  raw_string_ostream stream(errors);
  lld::Result result =
      lld::lldMain(raw, nulls(), stream, {{lld::Gnu, &lld::elf::link}});
  if (result.retCode != 0)
    return createStringError("expected the kernels to link, but LLD reports: " +
                             errors);
  return Error::success();
}

/// Reads the one section and the entries' addresses in it.
static Expected<FlatImage> readImage(StringRef path,
                                     ArrayRef<KernelObject> objects) {
  auto buffer = MemoryBuffer::getFile(path);
  if (!buffer)
    return createStringError("expected to read " + path +
                             ", but got: " + buffer.getError().message());
  auto file = ELFObjectFile<ELF64LE>::create(**buffer);
  if (!file)
    return file.takeError();
  FlatImage image;
  for (const ELFSectionRef section : file->sections()) {
    Expected<StringRef> name = section.getName(),
                        contents = section.getContents();
    if (!name)
      return name.takeError();
    if (!(section.getFlags() & ELF::SHF_ALLOC) || section.getSize() == 0) {
      consumeError(contents.takeError());
      continue;
    }
    if (!contents)
      return contents.takeError();
    if (*name != ".code" || section.getAddress() != 0)
      return createStringError("expected one section in the image, but got " +
                               *name);
    image.bytes.assign(contents->bytes_begin(), contents->bytes_end());
  }
  StringMap<uint64_t> addresses;
  for (const ELFSymbolRef symbol : file->symbols()) {
    Expected<StringRef> name = symbol.getName();
    Expected<uint64_t> address = symbol.getAddress();
    if (!name)
      return name.takeError();
    if (!address)
      return address.takeError();
    addresses[*name] = *address;
  }
  for (const KernelObject &object : objects) {
    auto found = addresses.find(object.entry);
    if (found == addresses.end() || found->second >= image.bytes.size())
      return createStringError("expected an entry '" + object.entry +
                               "' in the image, but got none");
    image.entry_offsets.push_back(found->second);
  }
  return image;
}

Expected<FlatImage> linkFlatImage(ArrayRef<KernelObject> objects) {
  if (objects.empty())
    return FlatImage();
  SmallString<128> folder;
  if (std::error_code code =
          sys::fs::createUniqueDirectory("trainc-code", folder))
    return createStringError("expected a temporary folder, but got: " +
                             code.message());
  auto remove = scope_exit([&] { sys::fs::remove_directories(folder); });
  auto inFolder = [&](const Twine &name) {
    SmallString<128> path(folder);
    sys::path::append(path, name);
    return path.str().str();
  };
  std::string script = inFolder("script"), output = inFolder("image");
  if (Error error = writeFile(script, linkerScript))
    return error;
  std::vector<std::string> arguments = {
      "ld.lld", "--threads=1", "--no-gc-sections",
      "-z",     "norelro",     "--entry=0",
      "-T",     script,        "-o",
      output};
  for (auto [i, object] : enumerate(objects)) {
    arguments.push_back(inFolder(Twine(i) + ".o"));
    if (Error error =
            writeFile(arguments.back(),
                      StringRef(object.bytes.data(), object.bytes.size())))
      return error;
  }
  if (Error error = runLinker(arguments))
    return error;
  return readImage(output, objects);
}

} // namespace trainc::codegen
