# Fuzz targets: tests/fuzz/fuzz_*.c with seeds in tests/fuzz/corpus/<name>. They run in two
# ways. Always: with a small driver, the kept inputs and some seconds of mutations, as a
# test. With -DMM_FUZZ=ON and Clang: as libFuzzer programs fuzz_<name>, sanitizers on:
#   cmake -B build/fuzz -G Ninja -DCMAKE_C_COMPILER=clang -DMM_FUZZ=ON
#   ninja -C build/fuzz fuzz && build/fuzz/bin/fuzz_yaml -max_total_time=600 tests/fuzz/corpus/yaml
# What they find is kept in the corpus, so that the test runs it from then on.
option(MM_FUZZ "Build libFuzzer programs (Clang)" OFF)
set(MM_FUZZ_SECONDS 7 CACHE STRING "Seconds of mutations per fuzz target in the tests")

if(MM_FUZZ)
  if(NOT CMAKE_C_COMPILER_ID MATCHES Clang)
    message(FATAL_ERROR "MM_FUZZ needs Clang: -DCMAKE_C_COMPILER=clang")
  endif()
  set(MM_SANITIZE fuzzer-no-link,address,undefined)
endif()

function(mm_fuzz)
  set(folder ${PROJECT_SOURCE_DIR}/tests/fuzz)
  set(below "")
  foreach(name base kernels fileio logging config)
    list(APPEND below $<TARGET_OBJECTS:mm_${name}>)
  endforeach()
  add_custom_target(fuzz)
  file(GLOB sources CONFIGURE_DEPENDS ${folder}/fuzz_*.c)
  foreach(source IN LISTS sources)
    get_filename_component(target ${source} NAME_WE)
    string(REGEX REPLACE "^fuzz_" "" name ${target})
    if(MM_FUZZ)
      add_executable(${target} EXCLUDE_FROM_ALL ${source} ${below})
      target_link_options(${target} PRIVATE -fsanitize=fuzzer)
      add_dependencies(fuzz ${target})
    else()
      add_executable(${target} ${source} ${folder}/driver.c ${below})
      set(seeds ${folder}/corpus/${name})
      if(name MATCHES "^(python|yaml)$")
        list(APPEND seeds ${PROJECT_SOURCE_DIR}/tests/cases/config)
      endif()
      set(work ${PROJECT_BINARY_DIR}/test_fuzz/${name})
      file(MAKE_DIRECTORY ${work})
      add_test(NAME fuzz/${name} COMMAND ${target} ${MM_FUZZ_SECONDS} ${seeds}
               WORKING_DIRECTORY ${work})
    endif()
    mm_flags(${target})
    target_include_directories(${target} PRIVATE ${folder})
    target_link_libraries(${target} PRIVATE Threads::Threads ZLIB::ZLIB MM::yaml m
                                            ${CMAKE_DL_LIBS})
  endforeach()
endfunction()
