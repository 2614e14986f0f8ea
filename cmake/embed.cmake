# Turns the lines of a text of tab-separated fields into a C array: each field ends with a
# zero byte, each line begins with a newline.
#   cmake -DINPUT=file.txt -DOUTPUT=file.c -DNAME=mmi_name -P embed.cmake
file(READ ${INPUT} hex HEX)
string(REGEX REPLACE "(..)" "0x\\1," bytes "${hex}")
string(REPLACE "0x09," "0," bytes "${bytes}")
string(REPLACE "0x0a," "0,10,\n" bytes "${bytes}")
file(WRITE ${OUTPUT} "#include <stddef.h>
extern const char ${NAME}[];
extern const size_t ${NAME}_size;
const char ${NAME}[] = {10,
${bytes}0};
const size_t ${NAME}_size = sizeof(${NAME}) - 2;
")
