# Targets of the tree. Each folder of src/ is an object library, so that the test of a
# folder links that folder and those below it and nothing else.

set(MM_WARNINGS -Wall -Wextra -Wpedantic -Wshadow -Wconversion)
if(MM_WERROR)
  list(APPEND MM_WARNINGS -Werror)
endif()

function(mm_flags target)
  target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR}/include
                                               ${PROJECT_SOURCE_DIR}/src)
  target_compile_options(${target} PRIVATE
    $<$<COMPILE_LANGUAGE:C>:${MM_WARNINGS}> -ffp-contract=off
    -fmacro-prefix-map=${PROJECT_SOURCE_DIR}/=)
  target_compile_definitions(${target} PRIVATE _POSIX_C_SOURCE=200809L
                                               $<$<CONFIG:Debug>:MM_FAULTS>)
  if(MM_SANITIZE)
    # Without "no-recover" undefined behaviour is printed and the test passes all the same.
    target_compile_options(${target} PRIVATE -fsanitize=${MM_SANITIZE}
      -fno-sanitize-recover=all -fno-omit-frame-pointer)
    target_link_options(${target} PRIVATE -fsanitize=${MM_SANITIZE})
    get_target_property(type ${target} TYPE)
    if(MM_SANITIZE MATCHES address AND type STREQUAL EXECUTABLE)
      # ASan looks for __cxa_throw once, at start, before the bridge brings in libstdc++.
      target_link_options(${target} PRIVATE LINKER:--no-as-needed)
      target_link_libraries(${target} PRIVATE stdc++)
    endif()
  endif()
endfunction()

# CRC-32 by carry-less multiplication, chosen at run time.
function(mm_crc32_flags)
  set(folder ${PROJECT_SOURCE_DIR}/src/base)
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64|i[3-6]86)$")
    set_source_files_properties(${folder}/checksum.c ${folder}/crc32_x86.c
      PROPERTIES COMPILE_DEFINITIONS MMI_CRC32_X86)
    set_source_files_properties(${folder}/crc32_x86.c
      PROPERTIES COMPILE_OPTIONS "-O3;-mpclmul;-msse4.1")
  endif()
endfunction()

# The vector kernels: one text, compiled once per instruction set, optimised in debug
# builds too. Only the dispatcher may be compiled for the plain architecture.
function(mm_kernel_flags)
  set(vector -O3 -fno-math-errno -fno-trapping-math)
  set(folder ${PROJECT_SOURCE_DIR}/src/kernels)
  set_source_files_properties(${folder}/kernels_baseline.c ${folder}/image.c ${folder}/copy.c
    PROPERTIES COMPILE_OPTIONS "${vector}")
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64|i[3-6]86)$")
    set_source_files_properties(${folder}/kernels.c
      PROPERTIES COMPILE_DEFINITIONS MMI_KERNELS_X86)
    set_source_files_properties(${folder}/kernels_avx2.c
      PROPERTIES COMPILE_OPTIONS "${vector};-mavx2;-mfma")
    set(avx512 -mavx2 -mfma -mavx512f -mavx512bw -mavx512dq -mavx512vl
               -mprefer-vector-width=512)
    set_source_files_properties(${folder}/kernels_avx512.c
      PROPERTIES COMPILE_OPTIONS "${vector};${avx512}")
  endif()
endfunction()

# A data file as a C array, so that nothing has to be found at run time.
function(mm_embed name file)
  set(script ${PROJECT_SOURCE_DIR}/cmake/embed.cmake)
  set(output ${PROJECT_BINARY_DIR}/generated/${name}.c)
  add_custom_command(OUTPUT ${output} DEPENDS ${file} ${script} VERBATIM
    COMMAND ${CMAKE_COMMAND} -DINPUT=${file} -DOUTPUT=${output} -DNAME=${name} -P ${script})
endfunction()

function(mm_engine_library)
  set(objects "")
  set(builtin "")
  mm_kernel_flags()
  mm_crc32_flags()
  foreach(folder IN LISTS MM_FOLDERS)
    if(EXISTS ${PROJECT_SOURCE_DIR}/src/${folder}/builtin.c)
      string(APPEND builtin "X(${folder})\n")
    endif()
    file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/${folder}/*.c)
    if(folder STREQUAL registry)
      mm_embed(mmi_catalogue ${PROJECT_SOURCE_DIR}/src/registry/catalogue.txt)
      list(APPEND sources ${PROJECT_BINARY_DIR}/generated/mmi_catalogue.c)
    endif()
    if(sources)
      add_library(mm_${folder} OBJECT ${sources})
      mm_flags(mm_${folder})
      list(APPEND objects mm_${folder})
    endif()
  endforeach()
  target_include_directories(mm_fileio SYSTEM PRIVATE ${MM_YAML_INCLUDE_DIR})
  # Where plugins find the public headers if they do not lie beside the library.
  target_compile_definitions(mm_registry PRIVATE
    MM_SOURCE_INCLUDE_DIR="${PROJECT_SOURCE_DIR}/include"
    MM_INSTALL_INCLUDE_DIR="${CMAKE_INSTALL_FULL_INCLUDEDIR}")
  file(GLOB top CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/*.c)
  add_library(mmengine SHARED ${top})
  mm_flags(mmengine)
  # The folders whose builtin.c lists components: src/builtin.c registers them.
  file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/generated/builtin_folders.def
       CONTENT "@builtin@" @ONLY)
  target_include_directories(mmengine PRIVATE ${PROJECT_BINARY_DIR}/generated)
  target_include_directories(mmengine INTERFACE
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
    $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  set_target_properties(mmengine PROPERTIES SOVERSION 0 VERSION ${PROJECT_VERSION}
                                            LINKER_LANGUAGE C)
  foreach(object IN LISTS objects)
    target_sources(mmengine PRIVATE $<TARGET_OBJECTS:${object}>)
  endforeach()
  target_link_libraries(mmengine PRIVATE Threads::Threads ZLIB::ZLIB MM::yaml m ${CMAKE_DL_LIBS})
  set(MM_OBJECTS ${objects} PARENT_SCOPE)
endfunction()

# The bridge: the only C++, the only library that links libtorch. The version it is made
# for is a generated header, so that src/tensor can tell it without loading anything.
function(mm_torch_library)
  include(MMTorch)
  mm_find_torch()
  if(TARGET mm_tensor)
    target_include_directories(mm_tensor PRIVATE ${PROJECT_BINARY_DIR}/generated)
  endif()
  file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/torch/*.cpp)
  if(NOT sources OR NOT MM_TORCH_FOUND)
    return()
  endif()
  add_library(mmengine_torch SHARED ${sources})
  mm_flags(mmengine_torch)
  mm_use_torch(mmengine_torch)
  # libtorch's headers have fences, which gcc's thread sanitizer does not follow.
  if(MM_SANITIZE MATCHES thread AND CMAKE_CXX_COMPILER_ID STREQUAL GNU)
    target_compile_options(mmengine_torch PRIVATE -Wno-tsan)
  endif()
  set_target_properties(mmengine_torch PROPERTIES JOB_POOL_COMPILE torch)
endfunction()

# Concrete models, datasets, transforms: public headers only.
function(mm_zoo_library)
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/zoo/*.c)
  if(NOT sources)
    return()
  endif()
  # loops over elements of their own
  set_source_files_properties(${PROJECT_SOURCE_DIR}/zoo/mmpretrain/optimizers/adan.c
    PROPERTIES COMPILE_OPTIONS "-O3;-fno-math-errno;-fno-trapping-math")
  add_library(mmengine_zoo SHARED ${sources})
  mm_flags(mmengine_zoo)
  set_target_properties(mmengine_zoo PROPERTIES SOVERSION 0 VERSION ${PROJECT_VERSION}
    INCLUDE_DIRECTORIES "${PROJECT_SOURCE_DIR}/include;${PROJECT_SOURCE_DIR}/zoo")
  target_link_libraries(mmengine_zoo PRIVATE mmengine ZLIB::ZLIB m)
endfunction()

# The program: main.c, and the rest as objects that its tests link too.
function(mm_program)
  file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/cli/*.c)
  list(REMOVE_ITEM sources ${PROJECT_SOURCE_DIR}/src/cli/main.c)
  add_library(mm_cli OBJECT ${sources})
  mm_flags(mm_cli)
  add_executable(mmengine_cli ${PROJECT_SOURCE_DIR}/src/cli/main.c
                              $<TARGET_OBJECTS:mm_cli>)
  mm_flags(mmengine_cli)
  set_target_properties(mmengine_cli PROPERTIES OUTPUT_NAME mmengine)
  target_link_libraries(mmengine_cli PRIVATE mmengine)
  if(TARGET mmengine_zoo)
    target_link_libraries(mmengine_cli PRIVATE mmengine_zoo)
    target_compile_definitions(mm_cli PRIVATE MM_HAS_ZOO)
  endif()
  if(TARGET mmengine_torch)
    add_dependencies(mmengine_cli mmengine_torch)
  endif()
  # Man page and completion come from the program's own tables.
  set(share ${PROJECT_BINARY_DIR}/share)
  file(MAKE_DIRECTORY ${share})
  add_custom_command(TARGET mmengine_cli POST_BUILD VERBATIM
    COMMAND mmengine_cli __gen man > ${share}/mmengine.1
    COMMAND mmengine_cli completion bash > ${share}/mmengine.bash
    COMMAND mmengine_cli completion zsh > ${share}/_mmengine
    COMMAND mmengine_cli completion fish > ${share}/mmengine.fish)
endfunction()

# benchmarks/<folder>/bench_*.c: one program each, linked as the tests of that folder are.
# Built when asked for: `ninja logging_bench_values`.
# benchmarks/*.c: our side of `make bench`.
function(mm_benchmarks)
  add_executable(bench EXCLUDE_FROM_ALL ${PROJECT_SOURCE_DIR}/benchmarks/bench.c
                                        ${PROJECT_SOURCE_DIR}/benchmarks/optimizers.c)
  mm_flags(bench)
  target_link_libraries(bench PRIVATE mmengine Threads::Threads)
  if(TARGET mmengine_zoo) # our side of benchmarks/evaluator/metrics.py
    add_executable(bench_metrics EXCLUDE_FROM_ALL
                   ${PROJECT_SOURCE_DIR}/benchmarks/evaluator/metrics.c)
    mm_flags(bench_metrics)
    target_link_libraries(bench_metrics PRIVATE mmengine mmengine_zoo)
  endif()
  set(below "")
  foreach(folder IN LISTS MM_FOLDERS)
    if(TARGET mm_${folder})
      list(APPEND below $<TARGET_OBJECTS:mm_${folder}>)
    endif()
    file(GLOB benches CONFIGURE_DEPENDS
         ${PROJECT_SOURCE_DIR}/benchmarks/${folder}/bench_*.c)
    foreach(bench IN LISTS benches)
      get_filename_component(name ${bench} NAME_WE)
      set(target ${folder}_${name})
      add_executable(${target} EXCLUDE_FROM_ALL ${bench} ${below})
      mm_flags(${target})
      target_link_libraries(${target} PRIVATE Threads::Threads ZLIB::ZLIB MM::yaml m
                                              ${CMAKE_DL_LIBS})
    endforeach()
  endforeach()
endfunction()

# tests/cli/test_*.c: one program each, with the program's objects and the libraries.
function(mm_program_tests)
  file(GLOB tests CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/cli/test_*.c)
  if(NOT TARGET mmengine_torch)
    list(REMOVE_ITEM tests ${PROJECT_SOURCE_DIR}/tests/cli/test_train.c)
  endif()
  foreach(test IN LISTS tests)
    get_filename_component(name ${test} NAME_WE)
    set(target cli_${name})
    add_executable(${target} ${test} $<TARGET_OBJECTS:mm_cli>)
    mm_flags(${target})
    target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR}/tests)
    target_link_libraries(${target} PRIVATE mmengine ${CMOCKA})
    if(TARGET mmengine_zoo)
      target_link_libraries(${target} PRIVATE mmengine_zoo)
    endif()
    add_dependencies(${target} mmengine_cli)
    target_compile_definitions(${target} PRIVATE
      MM_PROGRAM="$<TARGET_FILE:mmengine_cli>")
    add_test(NAME cli/${name} COMMAND ${target}
             WORKING_DIRECTORY ${PROJECT_SOURCE_DIR}/tests)
  endforeach()
endfunction()

# tests/zoo/test_*.c: one program each; what is private to the zoo they include as files.
function(mm_zoo_tests)
  file(GLOB tests CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/zoo/test_*.c)
  foreach(test IN LISTS tests)
    get_filename_component(name ${test} NAME_WE)
    set(target zoo_${name})
    add_executable(${target} ${test})
    mm_flags(${target})
    target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR}/tests
                                                 ${PROJECT_SOURCE_DIR}/zoo)
    target_link_libraries(${target} PRIVATE mmengine ${CMOCKA})
    add_test(NAME zoo/${name} COMMAND ${target}
             WORKING_DIRECTORY ${PROJECT_SOURCE_DIR}/tests)
  endforeach()
endfunction()

# tests/<folder>/test_*.c: one program each, linked with that folder and those before it.
# tests/torch/test_*.c: one program for all of them, since libtorch takes 0.3 s to load;
# each file defines `int test_<name>(void)`, which runs a cmocka group; other .c files there
# are parts that tests share.
function(mm_tests)
  find_library(CMOCKA cmocka REQUIRED)
  set(below "")
  foreach(folder IN LISTS MM_FOLDERS)
    if(TARGET mm_${folder})
      list(APPEND below $<TARGET_OBJECTS:mm_${folder}>)
    endif()
    file(GLOB tests CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/${folder}/test_*.c)
    foreach(test IN LISTS tests)
      get_filename_component(name ${test} NAME_WE)
      set(target ${folder}_${name})
      add_executable(${target} ${test} ${below})
      mm_flags(${target})
      set_target_properties(${target} PROPERTIES ENABLE_EXPORTS ON) # for plugins
      target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR}/tests)
      target_link_libraries(${target} PRIVATE ${CMOCKA} Threads::Threads ZLIB::ZLIB MM::yaml m
                                              ${CMAKE_DL_LIBS})
      add_test(NAME ${folder}/${name} COMMAND ${target}
               WORKING_DIRECTORY ${PROJECT_SOURCE_DIR}/tests)
    endforeach()
  endforeach()
  if(TARGET mm_cli)
    mm_program_tests()
  endif()
  if(TARGET mmengine_zoo)
    mm_zoo_tests()
  endif()
  file(GLOB tests CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/torch/test_*.c)
  if(tests AND TARGET mmengine_torch)
    set(declare "")
    set(call "")
    foreach(test IN LISTS tests)
      get_filename_component(name ${test} NAME_WE)
      string(APPEND declare "int ${name}(void);\n")
      string(APPEND call "    if (argc < 2 || strcmp(argv[1], \"${name}\") == 0) {\n"
                         "        failed += ${name}();\n    }\n")
    endforeach()
    file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/torch_tests_main.c @ONLY CONTENT
"#include <string.h>
@declare@
int main(int argc, char **argv)
{
    int failed = 0;
@call@    return failed != 0;
}
")
    file(GLOB parts CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/torch/*.c)
    add_executable(torch_tests ${PROJECT_BINARY_DIR}/torch_tests_main.c ${parts})
    mm_flags(torch_tests)
    target_include_directories(torch_tests PRIVATE ${PROJECT_SOURCE_DIR}/tests)
    target_link_libraries(torch_tests PRIVATE mmengine ${CMOCKA} Threads::Threads m)
    if(TARGET mmengine_zoo)
      target_link_libraries(torch_tests PRIVATE mmengine_zoo)
    endif()
    add_dependencies(torch_tests mmengine_torch)
    add_test(NAME torch COMMAND torch_tests
             WORKING_DIRECTORY ${PROJECT_SOURCE_DIR}/tests)
  endif()
endfunction()
