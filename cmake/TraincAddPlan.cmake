# trainc_add_plan(TARGET RECIPE model.toml
#                 [SET section.key=value ...]          over the recipe
#                 [TARGET_CPU cpu:x86-64-v3 ...]       default: the CPU of this machine; several: the best one that runs
#                 [NAMESPACE ns])                      default: TARGET
#
# Compiles a recipe when the application is built, and makes the library TARGET
# with the plan in it. Link it and include <TARGET.h>, which has the plan's
# names, shapes and types as constants in namespace ns (docs/Embedding.md).
# The plan is compiled again when the recipe, these arguments or trainc change.
set(TRAINC_PLAN_DATA ${CMAKE_CURRENT_LIST_DIR}/TraincPlanData.cpp.in)

function(trainc_add_plan target)
  cmake_parse_arguments(PARSE_ARGV 1 ARG "" "RECIPE;NAMESPACE" "SET;TARGET_CPU")
  if(ARG_UNPARSED_ARGUMENTS OR ARG_KEYWORDS_MISSING_VALUES OR NOT ARG_RECIPE)
    message(FATAL_ERROR "trainc_add_plan(${target} …): expected RECIPE model.toml and optionally SET, TARGET_CPU and "
      "NAMESPACE, each with values, but got: ${ARGN}")
  endif()
  if(NOT TARGET trainc::trainc)
    message(FATAL_ERROR "trainc_add_plan(${target} …): expected the compiler trainc, but this package holds only the "
      "runtime; install a build with TRAINC_COMPILER=ON")
  endif()
  if(NOT ARG_NAMESPACE)
    string(MAKE_C_IDENTIFIER "${target}" ARG_NAMESPACE)
  endif()
  get_filename_component(recipe ${ARG_RECIPE} ABSOLUTE)
  set(folder ${CMAKE_CURRENT_BINARY_DIR}/${target}.dir)
  set(plan ${folder}/${target}.plan)
  set(header ${folder}/${target}.h)

  set(options)
  foreach(value IN LISTS ARG_SET)
    list(APPEND options --set ${value})
  endforeach()
  foreach(value IN LISTS ARG_TARGET_CPU)
    list(APPEND options --target ${value})
  endforeach()
  add_custom_command(
    OUTPUT ${plan} ${header}
    COMMAND ${CMAKE_COMMAND} -E make_directory ${folder}
    COMMAND trainc::trainc compile ${recipe} ${options} -o ${plan}
    COMMAND trainc::trainc header ${plan} --namespace ${ARG_NAMESPACE} -o ${header}
    DEPENDS ${recipe} $<TARGET_FILE:trainc::trainc>
    VERBATIM
    COMMENT "Compiling ${ARG_RECIPE} to ${target}.plan")

  # The assembler takes the plan's bytes in; which file it is the source says,
  # that it changed must be said here.
  string(REPLACE "::" "_" TRAINC_PLAN_SYMBOL "trainc_plan_bytes_${ARG_NAMESPACE}")
  set(TRAINC_PLAN_HEADER ${target}.h)
  set(TRAINC_PLAN_NAMESPACE ${ARG_NAMESPACE})
  set(TRAINC_PLAN_FILE ${plan})
  configure_file(${TRAINC_PLAN_DATA} ${folder}/${target}.cpp @ONLY)
  set_source_files_properties(${folder}/${target}.cpp PROPERTIES OBJECT_DEPENDS ${plan})

  add_library(${target} STATIC ${folder}/${target}.cpp ${header})
  target_include_directories(${target} PUBLIC ${folder})
  target_compile_features(${target} PUBLIC cxx_std_20)
  target_link_libraries(${target} PUBLIC trainc::runtime)
endfunction()
