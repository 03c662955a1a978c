// libpng: the simplified interface's macros that Swift cannot see, and reading as stored, for which
// libpng wants setjmp, which Swift cannot call.
#ifndef CPNG_SHIM_H
#define CPNG_SHIM_H

#include <png.h>
#include <stdlib.h>
#include <string.h>

static const png_uint_32 cpng_format_rgba = PNG_FORMAT_RGBA;

// What a PNG holds, as stored: no gamma, no palette looked up.
typedef struct {
  png_uint_32 width, height;
  int bit_depth;   // of a channel: 8 or 16 (smaller ones come as 8, unscaled)
  int channels;    // 1 grey, 2 grey and alpha, 3 RGB, 4 RGBA
  int is_palette;  // then there are no samples
  unsigned char *samples;  // height × width × channels; 16-bit ones in the machine's byte order
  char error[128];
} cpng_image;

typedef struct {
  const unsigned char *next;
  size_t left;
  cpng_image *image;
} cpng_source;

static inline void cpng_fail(png_structp png, png_const_charp message) {
  cpng_source *source = (cpng_source *)png_get_error_ptr(png);
  strncpy(source->image->error, message, sizeof source->image->error - 1);
  png_longjmp(png, 1);
}

static inline void cpng_warn(png_structp png, png_const_charp message) {
  (void)png;
  (void)message;
}

static inline void cpng_take(png_structp png, png_bytep out, size_t count) {
  cpng_source *source = (cpng_source *)png_get_io_ptr(png);
  if (count > source->left) png_error(png, "the file ends too early");
  memcpy(out, source->next, count);
  source->next += count;
  source->left -= count;
}

// Reads a PNG from memory; returns 0 and an error text when it cannot. The caller frees `samples`.
static inline int cpng_read(const unsigned char *bytes, size_t count, cpng_image *image) {
  memset(image, 0, sizeof *image);
  cpng_source source = {bytes, count, image};
  png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &source, cpng_fail, cpng_warn);
  png_infop info = png ? png_create_info_struct(png) : NULL;
  if (!info) {
    png_destroy_read_struct(&png, NULL, NULL);
    strncpy(image->error, "not enough memory", sizeof image->error - 1);
    return 0;
  }
  if (setjmp(png_jmpbuf(png))) {
    png_destroy_read_struct(&png, &info, NULL);
    free(image->samples);
    image->samples = NULL;
    return 0;
  }
  png_set_read_fn(png, &source, cpng_take);
  png_set_user_limits(png, 1 << 16, 1 << 16);
  png_read_info(png, info);
  image->width = png_get_image_width(png, info);
  image->height = png_get_image_height(png, info);
  if (png_get_color_type(png, info) == PNG_COLOR_TYPE_PALETTE) {
    image->is_palette = 1;
    png_destroy_read_struct(&png, &info, NULL);
    return 1;
  }
  png_set_packing(png);
  if (png_get_bit_depth(png, info) == 16) png_set_swap(png);
  int passes = png_set_interlace_handling(png);
  png_read_update_info(png, info);
  image->bit_depth = png_get_bit_depth(png, info);
  image->channels = png_get_channels(png, info);
  size_t row = png_get_rowbytes(png, info);
  // A damaged header may promise more than the file can hold: deflate packs at most 1 : 1032.
  if (row > 0 && image->height > (count + 64) * 1032 / row)
    png_error(png, "more pixels than the file can hold");
  image->samples = (unsigned char *)calloc(image->height, row);
  if (!image->samples) png_error(png, "not enough memory");
  for (int pass = 0; pass < passes; pass++)
    for (png_uint_32 y = 0; y < image->height; y++)
      png_read_row(png, image->samples + y * row, NULL);
  png_read_end(png, NULL);
  png_destroy_read_struct(&png, &info, NULL);
  return 1;
}

#endif
