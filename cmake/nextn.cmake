# How a folder of src/ becomes a target, and the flags every target shares.

set(CMAKE_CXX_STANDARD 23)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

# Floating point is pinned: no contraction but the fma that is written out, no fast-math. The program itself is built for
# plain x86-64; only kernels/avx2 and kernels/avx512 get instruction-set flags.
add_compile_options(-Wall -Wextra -ffp-contract=off -fno-math-errno)
if(NEXTN_WERROR)
  add_compile_options(-Werror)
endif()
include_directories(${PROJECT_SOURCE_DIR}/src)

# A build with a sanitizer spends most of its time in the compiler where it optimises, and most of its tests' time in a few
# layers, and in the tests of a few, where it does not: only these get NEXTN_HOT_FLAGS.
set(NEXTN_HOT_LAYERS tensor quant kernels ops state model jinja chat tokenizer grammar sampling)
set(NEXTN_HOT_TESTS tokenizer_test grammar_test sampling_test)

# nextn_precompile(TARGET KIND): what files include of other projects is parsed once for all targets of a kind (library,
# test, hot_library or hot_test), if NEXTN_PRECOMPILE. Our own headers stay out: each file names what it needs of ours.
function(nextn_precompile target kind)
  if(NOT NEXTN_PRECOMPILE)
    return()
  endif()
  set(owner precompiled_${kind})
  if(NOT TARGET ${owner})
    file(WRITE ${PROJECT_BINARY_DIR}/empty.cc "")
    add_library(${owner} OBJECT ${PROJECT_BINARY_DIR}/empty.cc)
    target_link_libraries(${owner} PRIVATE fmt::fmt Threads::Threads)
    target_precompile_headers(${owner} PRIVATE <algorithm> <functional> <map> <memory> <optional> <random> <string> <vector>
                                               <fmt/format.h> <nlohmann/json.hpp>)
    if(kind MATCHES "test$")
      target_link_libraries(${owner} PRIVATE GTest::gtest)
      target_precompile_headers(${owner} PRIVATE <gtest/gtest.h>)
    endif()
    if(kind MATCHES "^hot")
      target_compile_options(${owner} PRIVATE ${NEXTN_HOT_FLAGS})
    endif()
  endif()
  target_precompile_headers(${target} REUSE_FROM ${owner})
endfunction()

# nextn_library(NAME [DEPS target...]): every .cc of the folder but the tests becomes nextn_NAME; the *_test.cc beside
# them become the program NAME_test.
function(nextn_library name)
  cmake_parse_arguments(ARG "" "" "DEPS;TEST_DEPS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cc)
  set(tests ${sources})
  list(FILTER sources EXCLUDE REGEX "_test\\.cc$")
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  if(sources)
    add_library(nextn_${name} STATIC ${sources})
    target_link_libraries(nextn_${name} PUBLIC ${ARG_DEPS})
    if(name IN_LIST NEXTN_HOT_LAYERS)
      target_compile_options(nextn_${name} PRIVATE ${NEXTN_HOT_FLAGS})
      nextn_precompile(nextn_${name} hot_library)
    else()
      nextn_precompile(nextn_${name} library)
    endif()
  else()
    add_library(nextn_${name} INTERFACE)
    target_link_libraries(nextn_${name} INTERFACE ${ARG_DEPS})
  endif()
  if(NEXTN_TESTS AND tests)
    nextn_test(${name}_test SOURCES ${tests} DEPS nextn_${name} ${ARG_TEST_DEPS} LABEL unit)
  endif()
endfunction()

# nextn_test(NAME SOURCES file... DEPS target... LABEL label [TIMEOUT seconds]): a GoogleTest program, one ctest entry for each
# test case.
function(nextn_test name)
  cmake_parse_arguments(ARG "" "LABEL;TIMEOUT" "SOURCES;DEPS" ${ARGN})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 300)
  endif()
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE ${ARG_DEPS} GTest::gtest_main)
  if(name IN_LIST NEXTN_HOT_TESTS)
    target_compile_options(${name} PRIVATE ${NEXTN_HOT_FLAGS})
    nextn_precompile(${name} hot_test)
  else()
    nextn_precompile(${name} test)
  endif()
  include(GoogleTest)
  gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST TEST_PREFIX "${ARG_LABEL}." PROPERTIES LABELS ${ARG_LABEL} TIMEOUT
                       ${ARG_TIMEOUT})
endfunction()
