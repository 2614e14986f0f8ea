# Which libtorch: -DMM_TORCH_DIR, else what tools/setup.sh recorded for the environment's
# TORCH (build/setup/<TORCH>.env), so that plain `cmake --preset release` works as well.
if(NOT MM_TORCH_DIR)
  set(MM_SETUP_KEY "$ENV{TORCH}")
  if(NOT MM_SETUP_KEY MATCHES "^(cpu|cuda|debian)$")
    set(MM_SETUP_KEY auto)
  endif()
  set(MM_SETUP_RECORD ${PROJECT_SOURCE_DIR}/build/setup/${MM_SETUP_KEY}.env)
  if(EXISTS ${MM_SETUP_RECORD})
    file(STRINGS ${MM_SETUP_RECORD} MM_SETUP_LINE REGEX "^MM_TORCH_DIR='.*'$")
    string(REGEX REPLACE "^MM_TORCH_DIR='(.*)'$" "\\1" MM_SETUP_DIR "${MM_SETUP_LINE}")
    set(MM_TORCH_DIR "${MM_SETUP_DIR}" CACHE PATH "Folder with include/ and lib/ of libtorch"
        FORCE)
  endif()
endif()
