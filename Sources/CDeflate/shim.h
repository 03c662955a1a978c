// libdeflate: zlib's format, whole buffers at a time, two to three times as fast as zlib.
#include <libdeflate.h>
