// Values in bfloat16, two to a lane: a product of two such vectors adds to each lane those of a pair.

// What rows of a tile are made of; see FloatRows.
struct PackedRows {
  typedef uint16_t Element;
  typedef __m512bh Part;
  static constexpr int parts = tile_vectors / 2, elements = 2 * LANES;

  static INLINE_MEMBER Part load(const uint16_t *at) {
    return (Part)_mm512_loadu_si512(reinterpret_cast<const void *>(at));
  }
  static INLINE_MEMBER Vector product(Part a, Part b, Vector sum) {
    return _mm512_dpbf16_ps(sum, a, b);
  }
};

// Rounded to nearest, `count` a multiple of 32.
void pack(const float *from, int64_t count, uint16_t *to) {
  for (int64_t i = 0; i < count; i += 2 * LANES)
    _mm512_storeu_si512(to + i, (__m512i)_mm512_cvtne2ps_pbh(load(from + i + LANES), load(from + i)));
}
