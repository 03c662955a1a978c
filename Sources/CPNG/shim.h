// libpng's simplified interface, with the format macros that Swift cannot see.
#include <png.h>

static const png_uint_32 cpng_format_rgba = PNG_FORMAT_RGBA;
