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
