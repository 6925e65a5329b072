# What `cmake --install` puts where, besides the targets, which say it themselves.
include(CMakePackageConfigHelpers)
set(TRAINC_PACKAGE_FOLDER ${CMAKE_INSTALL_LIBDIR}/cmake/trainc)
install(EXPORT trainc NAMESPACE trainc:: FILE traincTargets.cmake DESTINATION ${TRAINC_PACKAGE_FOLDER})
configure_file(${CMAKE_CURRENT_LIST_DIR}/traincConfig.cmake.in ${CMAKE_BINARY_DIR}/traincConfig.cmake @ONLY)
write_basic_package_version_file(${CMAKE_BINARY_DIR}/traincConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES
  ${CMAKE_BINARY_DIR}/traincConfig.cmake ${CMAKE_BINARY_DIR}/traincConfigVersion.cmake
  ${CMAKE_CURRENT_LIST_DIR}/TraincAddPlan.cmake ${CMAKE_CURRENT_LIST_DIR}/TraincPlanData.cpp.in
  DESTINATION ${TRAINC_PACKAGE_FOLDER})
