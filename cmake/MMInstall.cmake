# Rules for `cmake --install`: headers, libraries with sonames, the program, a CMake package
# (mmengine::mmengine, mmengine::zoo), mmengine.pc, man pages and completion.
#
# What is installed can be moved as a whole: libraries find each other beside themselves,
# the program finds them from its own place. The bridge alone names a folder: the libtorch
# it was built for.
include(CMakePackageConfigHelpers)

file(RELATIVE_PATH MM_BIN_TO_LIB ${CMAKE_INSTALL_FULL_BINDIR} ${CMAKE_INSTALL_FULL_LIBDIR})
set(MM_PACKAGE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/mmengine)

install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
        FILES_MATCHING PATTERN "*.h")

set(MM_EXPORTED mmengine)
set_target_properties(mmengine PROPERTIES INSTALL_RPATH "$ORIGIN")
if(TARGET mmengine_zoo)
  set_target_properties(mmengine_zoo PROPERTIES INSTALL_RPATH "$ORIGIN" EXPORT_NAME zoo)
  list(APPEND MM_EXPORTED mmengine_zoo)
endif()
install(TARGETS ${MM_EXPORTED} EXPORT mmengineTargets
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(EXPORT mmengineTargets NAMESPACE mmengine:: DESTINATION ${MM_PACKAGE_DIR})

# Opened at run time, by its name without a version, from the folder of libmmengine: no
# target for others.
if(TARGET mmengine_torch)
  install(TARGETS mmengine_torch LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
endif()

# mm_generated(name folder argument...): what the program prints when called with the
# arguments, installed as `folder`/`name`.
function(mm_generated name folder)
  set(file ${PROJECT_BINARY_DIR}/generated/${name})
  add_custom_command(OUTPUT ${file} COMMAND mmengine_cli ${ARGN} > ${file}.part
                     COMMAND ${CMAKE_COMMAND} -E rename ${file}.part ${file}
                     DEPENDS mmengine_cli COMMENT "Writing ${name}" VERBATIM)
  set_property(GLOBAL APPEND PROPERTY MM_GENERATED ${file})
  install(FILES ${file} DESTINATION ${folder})
endfunction()

if(TARGET mmengine_cli)
  set_target_properties(mmengine_cli PROPERTIES INSTALL_RPATH "$ORIGIN/${MM_BIN_TO_LIB}")
  install(TARGETS mmengine_cli RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  if(NOT CMAKE_CROSSCOMPILING)
    mm_generated(mmengine.1 ${CMAKE_INSTALL_MANDIR}/man1 __gen man)
    mm_generated(mmengine ${CMAKE_INSTALL_DATADIR}/bash-completion/completions
                 completion bash)
    mm_generated(_mmengine ${CMAKE_INSTALL_DATADIR}/zsh/site-functions completion zsh)
    mm_generated(mmengine.fish ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d
                 completion fish)
    get_property(generated GLOBAL PROPERTY MM_GENERATED)
    add_custom_target(mmengine_generated ALL DEPENDS ${generated})
  endif()
endif()

configure_package_config_file(
  ${PROJECT_SOURCE_DIR}/cmake/mmengineConfig.cmake.in
  ${PROJECT_BINARY_DIR}/mmengineConfig.cmake INSTALL_DESTINATION ${MM_PACKAGE_DIR}
  PATH_VARS CMAKE_INSTALL_INCLUDEDIR)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/mmengineConfigVersion.cmake
                                 COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/mmengineConfig.cmake
              ${PROJECT_BINARY_DIR}/mmengineConfigVersion.cmake
        DESTINATION ${MM_PACKAGE_DIR})

# From the .pc file to the prefix, so that a moved tree still answers right.
file(RELATIVE_PATH MM_PC_TO_PREFIX ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig
     ${CMAKE_INSTALL_PREFIX})
string(REGEX REPLACE "/$" "" MM_PC_TO_PREFIX "${MM_PC_TO_PREFIX}")
foreach(package mmengine mmengine-zoo)
  if(package STREQUAL mmengine OR TARGET mmengine_zoo)
    configure_file(${PROJECT_SOURCE_DIR}/cmake/${package}.pc.in
                   ${PROJECT_BINARY_DIR}/${package}.pc @ONLY)
    install(FILES ${PROJECT_BINARY_DIR}/${package}.pc
            DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
  endif()
endforeach()
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
