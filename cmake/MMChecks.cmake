# Tests of the tools and of what gets installed. Tests of the library are in MMTargets.

# The lint is built with the warnings and sanitizers of the preset, then fed its samples.
function(mm_lint_test)
  file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tools/lint/*.c)
  add_executable(mm_lint ${sources})
  mm_flags(mm_lint)
  add_test(NAME lint/rules
           COMMAND sh ${PROJECT_SOURCE_DIR}/tests/lint/run.sh $<TARGET_FILE:mm_lint>)
endfunction()

mm_lint_test()

# An installed tree is used by a project that knows nothing of this one.
function(mm_install_test)
  add_test(NAME install/package
           COMMAND sh ${PROJECT_SOURCE_DIR}/tests/install/run.sh ${CMAKE_COMMAND}
                   ${CMAKE_MAKE_PROGRAM} ${PROJECT_BINARY_DIR} ${CMAKE_C_COMPILER}
                   ${CMAKE_CXX_COMPILER} ${PROJECT_BINARY_DIR}/test_install)
  if(MM_SANITIZE)
    set_tests_properties(install/package PROPERTIES ENVIRONMENT
      "MM_SANITIZE_FLAGS=-fsanitize=${MM_SANITIZE}")
  endif()
endfunction()

mm_install_test()

# The set-up script, against libtorchs and package managers that are not real.
add_test(NAME setup/choices
         COMMAND sh ${PROJECT_SOURCE_DIR}/tests/setup/run.sh ${PROJECT_SOURCE_DIR}
                 ${PROJECT_BINARY_DIR}/test_setup)

# PyYAML, where it is at hand, reads what we write.
add_test(NAME fileio/yaml_interop
         COMMAND sh ${PROJECT_SOURCE_DIR}/tests/fileio/yaml_interop.sh
                 $<TARGET_FILE:fileio_test_yaml>
         WORKING_DIRECTORY ${PROJECT_SOURCE_DIR}/tests)
set_tests_properties(fileio/yaml_interop PROPERTIES SKIP_RETURN_CODE 77)

# The same of tensorboard and our event files.
add_test(NAME visualization/tensorboard_interop
         COMMAND sh ${PROJECT_SOURCE_DIR}/tests/visualization/tensorboard_interop.sh
                 $<TARGET_FILE:visualization_test_tensorboard>
         WORKING_DIRECTORY ${PROJECT_SOURCE_DIR}/tests)
set_tests_properties(visualization/tensorboard_interop PROPERTIES SKIP_RETURN_CODE 77)

# The catalogue of other libraries' names; its maker is tried where there is a Python.
find_program(MM_PYTHON3 python3)
add_test(NAME catalogue/maker
         COMMAND sh ${PROJECT_SOURCE_DIR}/tests/catalogue/run.sh ${PROJECT_SOURCE_DIR}
                 ${PROJECT_BINARY_DIR}/test_catalogue $<$<BOOL:${MM_PYTHON3}>:${MM_PYTHON3}>)

# Live comparisons with Python's libraries, where they are at hand.
function(mm_interop_test program name)
  add_test(NAME interop/${name}
           COMMAND sh ${PROJECT_SOURCE_DIR}/tests/interop/run.sh
                   $<TARGET_FILE:${program}> ${name}.py ${ARGN})
  set_tests_properties(interop/${name} PROPERTIES SKIP_RETURN_CODE 77)
endfunction()
if(TARGET mmengine_cli AND TARGET mmengine_torch)
  mm_interop_test(mmengine_cli tools torch safetensors)
  mm_interop_test(mmengine_cli objects torch mmengine)
  mm_interop_test(mmengine_cli resume mmengine mmpretrain.version)
  mm_interop_test(mmengine_cli paramwise mmengine mmpretrain.version)
  mm_interop_test(torch_tests optimizers mmengine mmpretrain.version transformers lion_pytorch
                  dadaptation schedulefree)
endif()
mm_interop_test(optim_test_schedulers schedules mmengine)

# The demo itself, short, and what the README shows.
if(TARGET mmengine_cli AND TARGET mmengine_torch)
  add_test(NAME demo/digits
           COMMAND sh ${PROJECT_SOURCE_DIR}/tests/demo/run.sh ${PROJECT_SOURCE_DIR}
                   $<TARGET_FILE:mmengine_cli> ${PROJECT_BINARY_DIR}/test_demo)
  add_test(NAME readme/files
           COMMAND sh ${PROJECT_SOURCE_DIR}/tests/readme/run.sh ${PROJECT_SOURCE_DIR}
                   $<TARGET_FILE:mmengine_cli> ${PROJECT_BINARY_DIR}/test_readme)
endif()

# Runs that are killed and resumed against runs that are not: a short form here, `make
# torture` is the long one. The faults are made by a library that is preloaded.
function(mm_torture_tests)
  set(folder ${PROJECT_SOURCE_DIR}/tests/torture)
  add_library(torture_faults MODULE ${folder}/faults.c)
  set_target_properties(torture_faults PROPERTIES C_VISIBILITY_PRESET default)
  target_link_libraries(torture_faults PRIVATE ${CMAKE_DL_LIBS})
  add_library(mm_torture OBJECT ${folder}/process.c ${folder}/compare.c)
  mm_flags(mm_torture)
  target_include_directories(mm_torture PRIVATE ${PROJECT_SOURCE_DIR}/tests)
  add_executable(torture_kill ${folder}/kill.c $<TARGET_OBJECTS:mm_torture>)
  mm_flags(torture_kill)
  target_link_libraries(torture_kill PRIVATE mmengine)
  add_dependencies(torture_kill mmengine_cli torture_faults)
  foreach(name resume damage)
    add_executable(torture_test_${name} ${folder}/test_${name}.c
                   $<TARGET_OBJECTS:mm_torture>)
    mm_flags(torture_test_${name})
    target_link_libraries(torture_test_${name} PRIVATE mmengine ${CMOCKA})
    add_dependencies(torture_test_${name} mmengine_cli torture_faults)
    add_test(NAME torture/${name}
             COMMAND torture_test_${name} $<TARGET_FILE:mmengine_cli>
                     $<TARGET_FILE:torture_faults> ${PROJECT_SOURCE_DIR})
  endforeach()
  add_test(NAME torture/kill
           COMMAND torture_kill $<TARGET_FILE:mmengine_cli>
                   $<TARGET_FILE:torture_faults> ${PROJECT_SOURCE_DIR} --quick)
  add_custom_target(torture USES_TERMINAL VERBATIM DEPENDS torture_kill
    COMMAND torture_kill $<TARGET_FILE:mmengine_cli> $<TARGET_FILE:torture_faults>
            ${PROJECT_SOURCE_DIR})
endfunction()

if(TARGET mmengine_cli AND TARGET mmengine_torch AND NOT APPLE)
  mm_torture_tests()
endif()

# Sanitizers watch our code; libtorch is not instrumented, so what it keeps for the life of
# the process and the locks it takes are named in tests/suppressions.
function(mm_sanitizer_environment)
  set(folder ${PROJECT_SOURCE_DIR}/tests/suppressions)
  get_property(tests DIRECTORY PROPERTY TESTS)
  set_property(TEST ${tests} APPEND PROPERTY ENVIRONMENT
    # libtorch and the bridge both have copies of inline variables; memory handed over by
    # libtorch carries no marks for containers.
    "ASAN_OPTIONS=detect_odr_violation=0:detect_container_overflow=0:detect_stack_use_after_return=1:allocator_may_return_null=1"
    "LSAN_OPTIONS=suppressions=${folder}/lsan.txt:print_suppressions=0"
    "UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1"
    "TSAN_OPTIONS=suppressions=${folder}/tsan.txt:halt_on_error=1:ignore_noninstrumented_modules=1")
endfunction()

if(MM_SANITIZE)
  mm_sanitizer_environment()
endif()
