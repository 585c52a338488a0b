# cmake -DSOURCE=DIR -DOUT=FILE -P commit.cmake: writes the definition of nextn::kCommit for the state of SOURCE's
# repository to FILE, which is touched only when that has changed.
cmake_minimum_required(VERSION 3.25)

execute_process(
  COMMAND git describe --always --dirty --exclude *
  WORKING_DIRECTORY ${SOURCE}
  OUTPUT_VARIABLE commit
  OUTPUT_STRIP_TRAILING_WHITESPACE
  ERROR_QUIET)
if(NOT commit MATCHES "^[0-9a-f]+(-dirty)?$")
  set(commit unknown)
endif()
file(CONFIGURE OUTPUT ${OUT} CONTENT "#include \"app/commit.h\"

namespace nextn {

const char* const kCommit = \"@commit@\";

}  // namespace nextn
" @ONLY)
