// Walking through contiguous values, of which the last ones may fill only a part of a vector.

// Four vectors as one, so that sums do not wait for each other.
typedef float WideVector __attribute__((vector_size(16 * LANES)));
const int64_t wide = 4 * LANES;

// The first `count` values, and `rest` behind them where that is less than all.
template <typename V>
INLINE V load_up_to(const float *at, int64_t count, float rest = 0) {
  V value;
  if (count >= int64_t(sizeof(V) / sizeof(float))) {
    std::memcpy(&value, at, sizeof(V));
    return value;
  }
  value = rest - V{};
  std::memcpy(&value, at, size_t(count) * sizeof(float));
  return value;
}

template <typename V>
INLINE void store_up_to(float *at, V value, int64_t count) {
  if (count >= int64_t(sizeof(V) / sizeof(float)))
    std::memcpy(at, &value, sizeof(V));
  else
    std::memcpy(at, &value, size_t(count) * sizeof(float));
}

// The sum of all lanes in double precision.
INLINE double total(WideVector value) {
  double total = 0;
  for (int64_t lane = 0; lane < wide; lane++) total += double(value[lane]);
  return total;
}

// So many values are added in single precision before the sum goes to one in double.
const int64_t block = 64 * wide;

// Calls the body with the number of images, which is a constant where it is a usual small one: runs
// of so few values are then copied and calculated without loops.
template <typename Body>
INLINE void with_batch(int64_t batch, Body body) {
  switch (batch) {
    case 1: return body(std::integral_constant<int64_t, 1>());
    case 2: return body(std::integral_constant<int64_t, 2>());
    case 4: return body(std::integral_constant<int64_t, 4>());
    case 8: return body(std::integral_constant<int64_t, 8>());
    default: return body(batch);
  }
}
