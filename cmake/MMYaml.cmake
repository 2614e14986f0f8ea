# libyaml has no CMake package of its own: the target MM::yaml from header and library.
find_path(MM_YAML_INCLUDE_DIR yaml.h)
find_library(MM_YAML_LIBRARY yaml)
mark_as_advanced(MM_YAML_INCLUDE_DIR MM_YAML_LIBRARY)
if(NOT MM_YAML_INCLUDE_DIR OR NOT MM_YAML_LIBRARY)
  message(FATAL_ERROR "libyaml was not found: YAML configs need it. "
                      "`make setup` gets it; Debian's package is libyaml-dev")
endif()
add_library(MM::yaml UNKNOWN IMPORTED)
set_target_properties(MM::yaml PROPERTIES
  IMPORTED_LOCATION ${MM_YAML_LIBRARY}
  INTERFACE_INCLUDE_DIRECTORIES ${MM_YAML_INCLUDE_DIR})
