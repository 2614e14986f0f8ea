# libtorch for the bridge, without find_package(Torch): its link line drags in whatever
# the packager had installed, while -ltorch_cpu -lc10 is all the bridge needs.
#
# mm_find_torch() sets MM_TORCH_FOUND, MM_TORCH_VERSION, MM_TORCH_LIB_DIR,
# MM_TORCH_OPENMP and writes generated/mmi_torch_version.h.
# mm_use_torch(target) makes a C++ target compile and link against it.
#
# MM_TORCH_DIR is a folder with include/ and lib/ (the wheel's `torch` folder or an
# unpacked libtorch), or /usr or the word `debian` for the packages libtorch-dev and
# libtorch1.13. Empty: the environment's MM_TORCH_DIR, then the system.

# Sets `out` to the folder that holds libtorch_cpu.so below `root`, or "".
function(mmt_lib_dir root out)
  set(${out} "" PARENT_SCOPE)
  foreach(sub lib ${CMAKE_INSTALL_LIBDIR} lib/${CMAKE_LIBRARY_ARCHITECTURE} lib64)
    if(EXISTS ${root}/${sub}/libtorch_cpu.so)
      set(${out} ${root}/${sub} PARENT_SCOPE)
      return()
    endif()
  endforeach()
endfunction()

# The version with its local part: "2.13.0+cpu" from a wheel, "1.13.0" from headers.
function(mmt_version root out)
  set(header "")
  foreach(candidate torch/headeronly/version.h
                    torch/csrc/api/include/torch/version.h)
    if(EXISTS ${root}/include/${candidate})
      file(STRINGS ${root}/include/${candidate} lines REGEX "^ *\"[0-9]+[.][0-9]+")
      if(lines)
        string(REGEX MATCH "[0-9]+[.][0-9]+[.][0-9]+" header "${lines}")
        break()
      endif()
    endif()
  endforeach()
  set(full ${header})
  if(EXISTS ${root}/version.py)
    file(STRINGS ${root}/version.py line REGEX "^__version__")
    string(REGEX MATCH "[0-9]+[.][0-9]+[.][0-9]+[^'\"]*" full "${line}")
  elseif(EXISTS ${root}/build-version)
    file(STRINGS ${root}/build-version full LIMIT_COUNT 1)
  endif()
  if(NOT full MATCHES "^${header}")
    set(full ${header})
  endif()
  set(${out} "${full}" PARENT_SCOPE)
endfunction()

# The very file of the OpenMP runtime that libtorch_cpu uses. A second runtime in one
# process means two thread pools that fight for the cores.
function(mmt_openmp lib_dir out)
  set(${out} "" PARENT_SCOPE)
  find_program(MM_READELF NAMES readelf llvm-readelf REQUIRED)
  execute_process(COMMAND ${MM_READELF} -d ${lib_dir}/libtorch_cpu.so
                  OUTPUT_VARIABLE dynamic COMMAND_ERROR_IS_FATAL ANY)
  if(NOT dynamic MATCHES "NEEDED[^\n]*\\[(lib(gomp|iomp|omp)[^]]*)\\]")
    return()
  endif()
  set(name ${CMAKE_MATCH_1})
  foreach(folder ${lib_dir} ${lib_dir}/../../torch.libs)
    if(EXISTS ${folder}/${name})
      get_filename_component(file ${folder}/${name} ABSOLUTE)
      set(${out} ${file} PARENT_SCOPE)
      return()
    endif()
  endforeach()
  execute_process(COMMAND ldd ${lib_dir}/libtorch_cpu.so OUTPUT_VARIABLE needed)
  string(REPLACE "." "[.]" pattern ${name})
  if(needed MATCHES "${pattern} => ([^ \n]+)")
    set(${out} ${CMAKE_MATCH_1} PARENT_SCOPE)
  endif()
endfunction()

# _GLIBCXX_USE_CXX11_ABI as libtorch was built, or "" to leave the compiler's default.
function(mmt_cxx_abi root lib_dir out)
  set(${out} "" PARENT_SCOPE)
  foreach(config ${root}/share/cmake/Torch/TorchConfig.cmake
                 ${lib_dir}/cmake/Torch/TorchConfig.cmake)
    if(EXISTS ${config})
      file(STRINGS ${config} lines REGEX "_GLIBCXX_USE_CXX11_ABI=[01]")
      if(lines MATCHES "_GLIBCXX_USE_CXX11_ABI=([01])")
        set(${out} ${CMAKE_MATCH_1} PARENT_SCOPE)
      endif()
      return()
    endif()
  endforeach()
endfunction()

function(mmt_write_header version)
  file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/generated/mmi_torch_version.h @ONLY
       CONTENT
"/* Written by cmake/MMTorch.cmake: what the bridge of this build was made for. */
#define MMI_TORCH_BUILT_FOR \"@version@\"
#define MMI_TORCH_BUILD_DIR \"@CMAKE_LIBRARY_OUTPUT_DIRECTORY@\"
")
endfunction()

function(mm_find_torch)
  set(root "${MM_TORCH_DIR}")
  if(NOT root AND DEFINED ENV{MM_TORCH_DIR})
    set(root $ENV{MM_TORCH_DIR})
  endif()
  get_filename_component(word "${root}" NAME)
  if(NOT root OR (word STREQUAL debian AND NOT EXISTS ${root}))
    set(root /usr)
  endif()
  mmt_lib_dir(${root} lib_dir)
  if(NOT lib_dir)
    if(MM_TORCH_DIR)
      message(FATAL_ERROR "no libtorch_cpu.so below MM_TORCH_DIR=${MM_TORCH_DIR}")
    endif()
    message(STATUS "libtorch: none found, the bridge is not built (set MM_TORCH_DIR)")
    mmt_write_header("")
    set(MM_TORCH_FOUND FALSE PARENT_SCOPE)
    return()
  endif()
  mmt_version(${root} version)
  mmt_openmp(${lib_dir} openmp)
  mmt_cxx_abi(${root} ${lib_dir} abi)
  mmt_write_header("${version}")
  message(STATUS "libtorch ${version} in ${lib_dir}, OpenMP: ${openmp}")
  set(MM_TORCH_FOUND TRUE PARENT_SCOPE)
  set(MM_TORCH_ROOT ${root} PARENT_SCOPE)
  set(MM_TORCH_VERSION ${version} PARENT_SCOPE)
  set(MM_TORCH_LIB_DIR ${lib_dir} PARENT_SCOPE)
  set(MM_TORCH_OPENMP "${openmp}" PARENT_SCOPE)
  set(MM_TORCH_CXX_ABI "${abi}" PARENT_SCOPE)
endfunction()

function(mm_use_torch target)
  # /usr/include as a -isystem folder would hide the compiler's own headers.
  if(NOT MM_TORCH_ROOT STREQUAL /usr)
    target_include_directories(${target} SYSTEM PRIVATE ${MM_TORCH_ROOT}/include)
  endif()
  target_include_directories(${target} SYSTEM PRIVATE
    ${MM_TORCH_ROOT}/include/torch/csrc/api/include)
  target_include_directories(${target} PRIVATE ${PROJECT_BINARY_DIR}/generated)
  # GCC 12 sees overflows in libtorch's inlined counters; libtorch is built without it too.
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wshadow -Wconversion
    $<$<CXX_COMPILER_ID:GNU>:-Wno-stringop-overflow> $<$<BOOL:${MM_WERROR}>:-Werror>)
  if(NOT MM_TORCH_CXX_ABI STREQUAL "")
    target_compile_definitions(${target} PRIVATE
      _GLIBCXX_USE_CXX11_ABI=${MM_TORCH_CXX_ABI})
  endif()
  target_compile_definitions(${target} PRIVATE MMT_TORCH_VERSION="${MM_TORCH_VERSION}")
  target_link_libraries(${target} PRIVATE
    ${MM_TORCH_LIB_DIR}/libtorch_cpu.so
    ${MM_TORCH_LIB_DIR}/libc10.so Threads::Threads ${CMAKE_DL_LIBS})
  # -fopenmp is a flag of the compiler alone: at link time it would add the compiler's
  # own runtime. The file is named instead.
  if(MM_TORCH_OPENMP)
    set_source_files_properties(${PROJECT_SOURCE_DIR}/src/torch/parallel.cpp
      TARGET_DIRECTORY ${target} PROPERTIES COMPILE_OPTIONS -fopenmp)
    target_link_libraries(${target} PRIVATE ${MM_TORCH_OPENMP})
  endif()
  # One export: headers of libtorch would add hundreds of inline symbols.
  file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/generated/mmt.map
       CONTENT "{ global: mmt_open; local: *; };\n")
  target_link_options(${target} PRIVATE
    -Wl,--version-script=${PROJECT_BINARY_DIR}/generated/mmt.map -Wl,--no-undefined)
  set_target_properties(${target} PROPERTIES
    SOVERSION 0 VERSION ${PROJECT_VERSION} CXX_VISIBILITY_PRESET hidden
    VISIBILITY_INLINES_HIDDEN ON BUILD_RPATH ${MM_TORCH_LIB_DIR}
    INSTALL_RPATH ${MM_TORCH_LIB_DIR})
endfunction()
