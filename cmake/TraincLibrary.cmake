# trainc_library(NAME sources... [LINK libs...] [DEPENDS targets...]): one folder, one static library.
function(trainc_library name)
  cmake_parse_arguments(ARG "" "" "LINK;DEPENDS" ${ARGN})
  add_library(${name} STATIC ${ARG_UNPARSED_ARGUMENTS})
  target_link_libraries(${name} PUBLIC ${ARG_LINK})
  trainc_compile_options(${name})
  # The compiler is built with sanitizers for its fuzzers only.
  if(TRAINC_COMPILER AND TRAINC_SANITIZE)
    target_compile_options(${name} PRIVATE -fsanitize=${TRAINC_SANITIZE} -fno-sanitize=vptr)
    target_link_options(${name} PUBLIC -fsanitize=${TRAINC_SANITIZE} -fno-sanitize=vptr)
  endif()
  if(ARG_DEPENDS)
    add_dependencies(${name} ${ARG_DEPENDS})
  endif()
endfunction()

# Warnings, and no exceptions across our libraries: errors are values (Status, LogicalResult).
function(trainc_compile_options target)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wno-unused-parameter)
  if(TRAINC_WERROR)
    target_compile_options(${target} PRIVATE -Werror)
  endif()
endfunction()

# trainc_runtime_library: as trainc_library, with sections that the linker may drop, and sanitizers.
function(trainc_runtime_library name)
  trainc_library(${name} ${ARGN})
  target_compile_options(${name} PRIVATE -ffunction-sections -fdata-sections)
  if(TRAINC_SANITIZE)
    target_compile_options(${name} PUBLIC -fsanitize=${TRAINC_SANITIZE} -fno-omit-frame-pointer)
    target_link_options(${name} PUBLIC -fsanitize=${TRAINC_SANITIZE})
  endif()
endfunction()
