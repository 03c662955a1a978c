// Convolutions under a mask. Every pass is a product of weights with unfolded tiles: a tile is a run
// of outputs (over rows, columns and images alike), unfolded into one row per tap of the kernel and
// input channel that the weights read. So kernel, stride, dilation, padding and batch matter to the
// unfolding alone. The gradient of the input is the same product over the transposed pattern.
//
// Rows are ordered tap by tap, and so are the weights (outputs × kernel × inputs, as they lie in
// memory channels last): where a tap sees nothing but padding, as those of strongly dilated kernels
// often do, its weights cost nothing.

#include "CSparse.h"

#include <new>
#include <tuple>
#include <vector>

#include "Kernels.h"

namespace {

// Density from which multiplying all weights is faster than reading a stream of the kept ones.
constexpr double dense_from = 0.8;

int64_t divided(int64_t a, int64_t b) { return (a + b - 1) / b; }

// One product: `outputs` sums over unfolded rows, for a grid of output places.
struct Product {
  int64_t outputs = 0;
  // The rows that some weight reads, in blocks that are unfolded together.
  std::vector<UnfoldedRow> rows;
  std::vector<int64_t> blocks;  // the first row of each, and the end
  // The kept weights in the order in which they are multiplied, block by block: the place of each
  // one's row within the block.
  std::vector<uint16_t> row_in_block;
  // Of a block, those of as many weights stand together, so that the processor foresees where they end.
  std::vector<Segment> segments;
  std::vector<int64_t> block_segments;  // the first segment of each block, and the end
  // Of dense layers: where a row's weights begin in the panels, and the step to the next panel's.
  std::vector<uint32_t> row_places, panel_steps;
  // Steps from output to output in what is read, and in what is written.
  int64_t read_y = 1, read_x = 1, write_y = 1, write_x = 1;
  // The first place that is written.
  int64_t first_y = 0, first_x = 0;

  int64_t block_count() const { return static_cast<int64_t>(blocks.size()) - 1; }
  int64_t row_count() const { return static_cast<int64_t>(rows.size()); }
  int64_t panels() const { return divided(outputs, panel_rows); }
  // Floats of its panels, zeros of the last one included.
  int64_t panel_floats() const { return panels() * panel_rows * row_count(); }
  int64_t panel_place(int64_t output, int64_t row) const {
    return row_places[row] + output / panel_rows * panel_steps[row] + output % panel_rows;
  }
};

// One weight as a product reads it, and its place among the layer's kept ones.
struct Entry {
  uint32_t output, row, weight;
};

// Rows that are unfolded together: a tile of them stays in the caches near the processor, larger
// where weights are few, so that each output has several in a block.
int64_t block_rows(double density, bool is_dense) {
  const int64_t row_bytes = 4 * tile_vectors * kernels().convolution.lanes;
  if (is_dense) return (32 << 10) / row_bytes;
  const int64_t fitting = (24 << 10) / row_bytes;
  const double wanted = 16 / std::max(density, 1e-3);
  return std::clamp(static_cast<int64_t>(wanted), fitting, 4 * fitting);
}

// Blocks of one tap, in equal parts; taps of few rows share a block.
void split_into_blocks(Product &product, int64_t most) {
  product.blocks = {0};
  const int64_t count = product.row_count();
  for (int64_t first = 0, end = 0; first < count; first = end) {
    for (end = first + 1; end < count && share_tap(product.rows[end], product.rows[first]);) end++;
    const int64_t begun = first - product.blocks.back();
    if (begun > 0 && begun + end - first > most) product.blocks.push_back(first);
    const int64_t parts = divided(end - first, most);
    for (int64_t part = 1; part < parts; part++)
      product.blocks.push_back(first + (end - first) * part / parts);
    if (2 * (end - product.blocks.back()) > most || end == count) product.blocks.push_back(end);
  }
}

// The blocks of a dense layer. Its panels lie block by block, panel by panel, row by row.
void lay_panels(Product &product) {
  split_into_blocks(product, block_rows(1, true));
  for (int64_t b = 0; b < product.block_count(); b++) {
    const int64_t first = product.blocks[b], rows = product.blocks[b + 1] - first;
    for (int64_t r = 0; r < rows; r++) {
      product.row_places.push_back((first * product.panels() + r) * panel_rows);
      product.panel_steps.push_back(rows * panel_rows);
    }
  }
}

// The streams of a product from its weights, output by output with ascending rows. Only the rows
// that are read are kept. `places` gets where each weight stands in the stream, counted from `first`.
void index(Product &product, const std::vector<UnfoldedRow> &rows, const std::vector<Entry> &entries,
           double density, uint32_t first, std::vector<uint32_t> &places) {
  std::vector<uint32_t> place(rows.size(), 0);
  for (const Entry &entry : entries) place[entry.row] = 1;
  for (size_t row = 0; row < rows.size(); row++) {
    if (place[row] == 0) continue;
    place[row] = static_cast<uint32_t>(product.rows.size());
    product.rows.push_back(rows[row]);
  }
  split_into_blocks(product, block_rows(density, false));
  std::vector<uint32_t> block_of(product.rows.size());
  for (int64_t b = 0; b < product.block_count(); b++)
    for (int64_t r = product.blocks[b]; r < product.blocks[b + 1]; r++)
      block_of[r] = static_cast<uint32_t>(b);

  // Segments by block, and there by their number of weights.
  struct Run {
    uint32_t block, output, count;
    size_t entry;
  };
  std::vector<Run> runs;
  for (size_t i = 0; i < entries.size(); i++) {
    const uint32_t block = block_of[place[entries[i].row]];
    if (runs.empty() || runs.back().output != entries[i].output || runs.back().block != block)
      runs.push_back({block, entries[i].output, 0, i});
    runs.back().count++;
  }
  std::sort(runs.begin(), runs.end(), [](const Run &a, const Run &b) {
    return std::tuple(a.block, b.count, a.output) < std::tuple(b.block, a.count, b.output);
  });

  product.row_in_block.reserve(entries.size());
  product.segments.reserve(runs.size());
  product.block_segments.assign(product.block_count() + 1, 0);
  for (const Run &run : runs) {
    product.segments.push_back(
        {run.output, static_cast<uint32_t>(product.row_in_block.size()), run.count});
    product.block_segments[run.block + 1]++;
    for (size_t i = run.entry; i < run.entry + run.count; i++) {
      places[entries[i].weight] = first + static_cast<uint32_t>(product.row_in_block.size());
      product.row_in_block.push_back(
          static_cast<uint16_t>(place[entries[i].row] - product.blocks[run.block]));
    }
  }
  for (int64_t b = 0; b < product.block_count(); b++)
    product.block_segments[b + 1] += product.block_segments[b];
}

// Memory of a thread that lasts from call to call.
class Scratch {
 public:
  ~Scratch() { std::free(memory_); }

  float *floats(int64_t count) {
    if (count > count_) {
      std::free(memory_);
      const size_t bytes = (static_cast<size_t>(count) * 4 + 63) / 64 * 64;
      memory_ = static_cast<float *>(std::aligned_alloc(64, bytes));
      count_ = memory_ == nullptr ? 0 : count;
      if (memory_ == nullptr) throw std::bad_alloc();
    }
    return memory_;
  }

 private:
  float *memory_ = nullptr;
  int64_t count_ = 0;
};

// The kernels' place for tiles of a width: 1, 2, 4 or 8 vectors.
int width_index(int64_t count, int lanes) {
  int index = 0;
  while (index < 3 && count > lanes << index) index++;
  return index;
}

// A tile's values by rows of the grid.
void split_into_parts(int64_t first, int64_t count, int64_t row_size, std::vector<TilePart> &parts) {
  parts.clear();
  while (count > 0) {
    const int64_t column = first % row_size;
    const int64_t taken = std::min(count, row_size - column);
    parts.push_back({first / row_size, column, taken});
    first += taken;
    count -= taken;
  }
}

// Whether any of the rows sees the map from a tile; else they are zeros.
bool see_map(const UnfoldSource &source, const std::vector<TilePart> &parts,
             const UnfoldedRow *rows, int64_t count) {
  for (int64_t r = 0; r < count; r++) {
    if (r > 0 && share_tap(rows[r], rows[r - 1])) continue;
    for (const TilePart &part : parts) {
      const int64_t y = part.row * source.stride_y + rows[r].offset_y;
      const int64_t first = part.first / source.images;
      const int64_t last = (part.first + part.count - 1) / source.images;
      if (y >= 0 && y < source.height && last * source.stride_x + rows[r].offset_x >= 0 &&
          first * source.stride_x + rows[r].offset_x < source.width)
        return true;
    }
  }
  return false;
}

}  // namespace

struct CSConvolution {
  CSGeometry geometry;
  int64_t kept = 0;
  bool is_dense = false;
  Product forward;
  // One product for each phase of the stride.
  std::vector<Product> gradient;
  // Where each kept weight stands in the streams of the passes; of dense layers none.
  std::vector<uint32_t> forward_places, gradient_places;
  // Of dense layers: where the kept weights lie among all; empty where all are kept.
  std::vector<uint32_t> cells;
  // Where the gradients' products have a tap, and of dense layers their panels.
  struct TapPlace {
    size_t product = 0;
    int64_t first_row = 0, first_float = 0;
  };
  std::vector<TapPlace> gradient_taps;

  int64_t taps() const { return geometry.kernel_height * geometry.kernel_width; }
  int64_t group_inputs() const { return geometry.inputs / geometry.groups; }
  int64_t group_outputs() const { return geometry.outputs / geometry.groups; }
  int64_t row_length() const { return group_inputs() * taps(); }
  int64_t output_height(int64_t height) const {
    const CSGeometry &g = geometry;
    return (height + 2 * g.padding_height - g.dilation_height * (g.kernel_height - 1) - 1) /
               g.stride_height + 1;
  }
  int64_t output_width(int64_t width) const {
    const CSGeometry &g = geometry;
    return (width + 2 * g.padding_width - g.dilation_width * (g.kernel_width - 1) - 1) /
               g.stride_width + 1;
  }
  // Of a weight's cell among all, outputs × kernel × inputs of its group: its tap, and its input.
  int64_t tap_of(uint32_t cell) const { return cell % row_length() / group_inputs(); }
  int64_t input_of(uint32_t cell) const {
    return cell / row_length() / group_outputs() * group_inputs() + cell % group_inputs();
  }
  int64_t cell_of(int64_t weight) const { return cells.empty() ? weight : cells[weight]; }
  // Rows of the sums that a dense layer's gradient is made of come in fours.
  int64_t padded_row_length() const { return divided(row_length(), 4) * 4; }

  CSConvolution(const CSGeometry &geometry, const uint8_t *mask);

 private:
  void make_forward(const std::vector<uint32_t> &kept_cells);
  void make_gradient(const std::vector<uint32_t> &kept_cells);
};

CSConvolution::CSConvolution(const CSGeometry &geometry, const uint8_t *mask) : geometry(geometry) {
  const int64_t count = geometry.outputs * row_length();
  std::vector<uint32_t> kept_cells;
  for (int64_t i = 0; i < count; i++)
    if (mask == nullptr || mask[i] != 0) kept_cells.push_back(static_cast<uint32_t>(i));
  kept = static_cast<int64_t>(kept_cells.size());
  is_dense = geometry.groups == 1 && kept >= dense_from * static_cast<double>(count);
  if (!is_dense) {
    forward_places.resize(kept_cells.size());
    gradient_places.resize(kept_cells.size());
  }
  make_forward(kept_cells);
  make_gradient(kept_cells);
  if (is_dense && kept < count) cells = std::move(kept_cells);
}

void CSConvolution::make_forward(const std::vector<uint32_t> &kept_cells) {
  const CSGeometry &g = geometry;
  std::vector<UnfoldedRow> rows;
  for (int64_t y = 0; y < g.kernel_height; y++)
    for (int64_t x = 0; x < g.kernel_width; x++)
      for (int64_t c = 0; c < g.inputs; c++)
        rows.push_back({static_cast<int32_t>(c),
                        static_cast<int32_t>(y * g.dilation_height - g.padding_height),
                        static_cast<int32_t>(x * g.dilation_width - g.padding_width)});
  forward.outputs = g.outputs;
  forward.read_y = g.stride_height;
  forward.read_x = g.stride_width;
  if (is_dense) {
    forward.rows = std::move(rows);
    lay_panels(forward);
    return;
  }
  std::vector<Entry> entries;
  entries.reserve(kept_cells.size());
  for (uint32_t cell : kept_cells)
    entries.push_back({static_cast<uint32_t>(cell / row_length()),
                       static_cast<uint32_t>(tap_of(cell) * g.inputs + input_of(cell)),
                       static_cast<uint32_t>(entries.size())});
  const double all = static_cast<double>(g.outputs) * static_cast<double>(row_length());
  index(forward, rows, entries, static_cast<double>(kept) / std::max(all, 1.0), 0, forward_places);
}

void CSConvolution::make_gradient(const std::vector<uint32_t> &kept_cells) {
  const CSGeometry &g = geometry;
  gradient_taps.resize(taps());
  for (int64_t phase_y = 0; phase_y < g.stride_height; phase_y++)
    for (int64_t phase_x = 0; phase_x < g.stride_width; phase_x++) {
      Product product;
      product.outputs = g.inputs;
      product.write_y = g.stride_height;
      product.write_x = g.stride_width;
      product.first_y = phase_y;
      product.first_x = phase_x;
      // The taps through which outputs see the places of this phase.
      for (int64_t tap = 0; tap < taps(); tap++) {
        const int64_t y = phase_y + g.padding_height - tap / g.kernel_width * g.dilation_height;
        const int64_t x = phase_x + g.padding_width - tap % g.kernel_width * g.dilation_width;
        if (y % g.stride_height != 0 || x % g.stride_width != 0) continue;
        gradient_taps[tap] = {gradient.size(), product.row_count()};
        for (int64_t output = 0; output < g.outputs; output++)
          product.rows.push_back({static_cast<int32_t>(output),
                                  static_cast<int32_t>(y / g.stride_height),
                                  static_cast<int32_t>(x / g.stride_width)});
      }
      gradient.push_back(std::move(product));
    }
  if (is_dense) {
    std::vector<int64_t> first;
    int64_t floats = 0;
    for (Product &product : gradient) {
      lay_panels(product);
      first.push_back(floats);
      floats += product.panel_floats();
    }
    for (TapPlace &tap : gradient_taps) tap.first_float = first[tap.product];
    return;
  }
  // The kept weights by input channel, tap and output: counted, then each put in its place.
  std::vector<int64_t> starts(g.inputs * taps() + 1, 0);
  for (uint32_t cell : kept_cells) starts[input_of(cell) * taps() + tap_of(cell) + 1]++;
  for (size_t i = 1; i < starts.size(); i++) starts[i] += starts[i - 1];
  std::vector<uint32_t> sorted(kept_cells.size());
  for (size_t i = 0; i < kept_cells.size(); i++)
    sorted[starts[input_of(kept_cells[i]) * taps() + tap_of(kept_cells[i])]++] =
        static_cast<uint32_t>(i);
  std::vector<std::vector<Entry>> entries(gradient.size());
  for (uint32_t weight : sorted) {
    const uint32_t cell = kept_cells[weight];
    const TapPlace &tap = gradient_taps[tap_of(cell)];
    entries[tap.product].push_back({static_cast<uint32_t>(input_of(cell)),
                                    static_cast<uint32_t>(tap.first_row + cell / row_length()),
                                    weight});
  }
  uint32_t first = 0;
  for (size_t p = 0; p < gradient.size(); p++) {
    const std::vector<UnfoldedRow> rows = std::move(gradient[p].rows);
    gradient[p].rows.clear();
    const double all = static_cast<double>(g.inputs) * static_cast<double>(rows.size()) /
                       static_cast<double>(g.groups);
    index(gradient[p], rows, entries[p],
          static_cast<double>(entries[p].size()) / std::max(all, 1.0), first, gradient_places);
    first += static_cast<uint32_t>(entries[p].size());
  }
}

CSConvolution *cs_convolution_new(const CSGeometry *geometry, const uint8_t *mask) {
  try {
    return new CSConvolution(*geometry, mask);
  } catch (const std::bad_alloc &) {
    return nullptr;
  }
}

void cs_convolution_free(CSConvolution *convolution) { delete convolution; }

int64_t cs_convolution_kept(const CSConvolution *convolution) { return convolution->kept; }

bool cs_convolution_is_dense(const CSConvolution *convolution) { return convolution->is_dense; }

int64_t cs_convolution_output_height(const CSConvolution *convolution, int64_t height) {
  return convolution->output_height(height);
}

int64_t cs_convolution_output_width(const CSConvolution *convolution, int64_t width) {
  return convolution->output_width(width);
}

// MARK: Weights as a pass reads them

int64_t cs_convolution_arranged_count(const CSConvolution *convolution, CSPass pass) {
  if (!convolution->is_dense) return convolution->kept;
  if (pass == cs_forward) return convolution->forward.panel_floats();
  int64_t count = 0;
  for (const Product &product : convolution->gradient) count += product.panel_floats();
  return count;
}

void cs_convolution_arrange(const CSConvolution *convolution, CSPass pass, const float *weights,
                            float *arranged, int64_t first, int64_t last) {
  const CSConvolution &c = *convolution;
  if (!c.is_dense) {
    const uint32_t *place = (pass == cs_forward ? c.forward_places : c.gradient_places).data();
    for (int64_t i = first; i < last; i++) arranged[place[i]] = weights[i];
    return;
  }
  for (int64_t i = first; i < last; i++) {
    const int64_t output = c.cell_of(i) / c.row_length(), row = c.cell_of(i) % c.row_length();
    if (pass == cs_forward) {
      arranged[c.forward.panel_place(output, row)] = weights[i];
    } else {
      const CSConvolution::TapPlace &tap = c.gradient_taps[row / c.group_inputs()];
      arranged[tap.first_float + c.gradient[tap.product].panel_place(
                                     row % c.group_inputs(), tap.first_row + output)] = weights[i];
    }
  }
}

// MARK: Products

// The grid of places that a product computes, out of height × width.
static CSMaps grid_of(const Product &product, int64_t images, int64_t height, int64_t width) {
  return {images, std::max<int64_t>(divided(height - product.first_y, product.write_y), 0),
          std::max<int64_t>(divided(width - product.first_x, product.write_x), 0)};
}

static int64_t tiles_of(const CSMaps &grid) {
  return divided(grid.images * grid.height * grid.width,
                 tile_vectors * kernels().convolution.lanes);
}

// One tile of a product, from `source` to planes of `height` × `width` × images.
static void multiply_tile(const Product &product, bool is_dense, const UnfoldSource &source,
                          const CSMaps &grid, const float *arranged, const CSFinish &finish,
                          int64_t height, int64_t width, float *output, int64_t tile) {
  static thread_local Scratch tile_scratch, sum_scratch;
  static thread_local std::vector<TilePart> parts;
  const ConvolutionKernels &kernel = kernels().convolution;
  const int64_t widest = tile_vectors * kernel.lanes;
  const int64_t first = tile * widest;
  const int64_t count = std::min(widest, grid.images * grid.height * grid.width - first);
  const int index = width_index(count, kernel.lanes);
  const int64_t tile_width = kernel.lanes << index;
  split_into_parts(first, count, grid.width * grid.images, parts);

  const int64_t sum_rows = is_dense ? product.panels() * panel_rows : product.outputs;
  float *sums = sum_scratch.floats(sum_rows * tile_width);
  std::memset(sums, 0, static_cast<size_t>(sum_rows * tile_width) * sizeof(float));
  for (int64_t b = 0; b < product.block_count(); b++) {
    const int64_t first_row = product.blocks[b], rows = product.blocks[b + 1] - first_row;
    if (!see_map(source, parts, product.rows.data() + first_row, rows)) continue;
    float *unfolded = tile_scratch.floats(rows * tile_width);
    kernel.unfold(source, parts.data(), static_cast<int>(parts.size()),
                  product.rows.data() + first_row, rows, tile_width, unfolded);
    if (is_dense) {
      kernel.multiply_all[index](unfolded, rows,
                                 arranged + first_row * product.panels() * panel_rows,
                                 rows * panel_rows, product.panels(), sums);
    } else {
      const int64_t segment = product.block_segments[b];
      kernel.multiply_kept[index](unfolded, product.segments.data() + segment,
                                  product.block_segments[b + 1] - segment,
                                  product.row_in_block.data(), arranged, sums);
    }
  }

  const int64_t plane = height * width * grid.images;
  for (int64_t o = 0; o < product.outputs; o++) {
    const float *from = sums + o * tile_width;
    if (product.write_y == 1 && product.write_x == 1) {
      const int64_t at = o * plane + first;
      kernel.finish(from, count, finish.residual == nullptr ? nullptr : finish.residual + at,
                    finish.scale == nullptr ? 1 : finish.scale[o],
                    finish.shift == nullptr ? 0 : finish.shift[o], finish.rectify, output + at);
      continue;
    }
    for (const TilePart &part : parts) {
      float *row = output + o * plane +
                   (product.first_y + part.row * product.write_y) * width * grid.images;
      for (int64_t i = part.first; i < part.first + part.count; i++) {
        const int64_t x = product.first_x + i / grid.images * product.write_x;
        row[x * grid.images + i % grid.images] = *from++;
      }
    }
  }
}

int64_t cs_convolution_pieces(const CSConvolution *convolution, CSPass pass, const CSMaps *maps) {
  if (pass == cs_forward)
    return tiles_of({maps->images, convolution->output_height(maps->height),
                     convolution->output_width(maps->width)});
  int64_t pieces = 0;
  for (const Product &product : convolution->gradient)
    pieces += tiles_of(grid_of(product, maps->images, maps->height, maps->width));
  return pieces;
}

void cs_convolution_forward(const CSConvolution *convolution, const CSMaps *maps,
                            const float *input, const float *arranged, const CSFinish *finish,
                            float *output, int64_t piece) {
  const Product &product = convolution->forward;
  const UnfoldSource source = {input,        maps->height,   maps->width,
                               maps->images, product.read_y, product.read_x};
  const CSMaps grid = {maps->images, convolution->output_height(maps->height),
                       convolution->output_width(maps->width)};
  multiply_tile(product, convolution->is_dense, source, grid, arranged, *finish, grid.height,
                grid.width, output, piece);
}

void cs_convolution_input_gradient(const CSConvolution *convolution, const CSMaps *maps,
                                   const float *output_gradient, const float *arranged,
                                   float *input_gradient, int64_t piece) {
  const UnfoldSource source = {output_gradient,
                               convolution->output_height(maps->height),
                               convolution->output_width(maps->width),
                               maps->images,
                               1,
                               1};
  for (const Product &product : convolution->gradient) {
    const CSMaps grid = grid_of(product, maps->images, maps->height, maps->width);
    const int64_t tiles = tiles_of(grid);
    if (piece < tiles) {
      multiply_tile(product, convolution->is_dense, source, grid, arranged, CSFinish{}, maps->height,
                    maps->width, input_gradient, piece);
      return;
    }
    piece -= tiles;
    arranged += convolution->is_dense ? product.panel_floats()
                                      : static_cast<int64_t>(product.row_in_block.size());
  }
}

// MARK: The gradient of the weights

// Unfolded rows of a dense layer that a piece of its gradient takes, and vectors of its tiles.
static constexpr int64_t dense_rows = 32, dense_vectors = 32;

int64_t cs_convolution_weight_sums(const CSConvolution *convolution) {
  return convolution->is_dense ? convolution->geometry.outputs * convolution->padded_row_length()
                               : convolution->kept;
}

int64_t cs_convolution_weight_pieces(const CSConvolution *convolution) {
  return convolution->is_dense ? divided(convolution->row_length(), dense_rows)
                               : convolution->forward.block_count();
}

// Tiles of the output's gradient lie one after the other, channel by channel: every piece of the
// weights' gradient reads all of them.
static int64_t gradient_tile_width(const CSConvolution *convolution) {
  return (convolution->is_dense ? dense_vectors : tile_vectors) * kernels().convolution.lanes;
}

static int64_t output_plane(const CSConvolution *convolution, const CSMaps *maps) {
  return convolution->output_height(maps->height) * convolution->output_width(maps->width) *
         maps->images;
}

int64_t cs_convolution_gradient_tiles(const CSConvolution *convolution, const CSMaps *maps) {
  return divided(output_plane(convolution, maps), gradient_tile_width(convolution));
}

static bool packs(const CSConvolution *convolution, CSPrecision precision) {
  return precision == cs_bfloat16 && !convolution->is_dense &&
         kernels().convolution.pack != nullptr;
}

// Floats that a tile of the output's gradient takes, packed or not.
static int64_t tile_floats(const CSConvolution *convolution, CSPrecision precision) {
  return gradient_tile_width(convolution) * convolution->geometry.outputs /
         (packs(convolution, precision) ? 2 : 1);
}

int64_t cs_convolution_tiled_count(const CSConvolution *convolution, const CSMaps *maps,
                                   CSPrecision precision) {
  return cs_convolution_gradient_tiles(convolution, maps) * tile_floats(convolution, precision);
}

void cs_convolution_tile_gradient(const CSConvolution *convolution, const CSMaps *maps,
                                  CSPrecision precision, const float *output_gradient,
                                  float *tiled, int64_t tile) {
  static thread_local Scratch row_scratch;
  const int64_t width = gradient_tile_width(convolution), plane = output_plane(convolution, maps);
  const int64_t count = std::min(width, plane - tile * width);
  const bool is_packed = packs(convolution, precision);
  float *to = tiled + tile * tile_floats(convolution, precision);
  float *row = is_packed ? row_scratch.floats(width) : to;
  for (int64_t o = 0; o < convolution->geometry.outputs; o++) {
    std::memcpy(row, output_gradient + o * plane + tile * width,
                static_cast<size_t>(count) * sizeof(float));
    std::memset(row + count, 0, static_cast<size_t>(width - count) * sizeof(float));
    if (is_packed)
      kernels().convolution.pack(row, width, reinterpret_cast<uint16_t *>(to) + o * width);
    else
      row += width;
  }
}

void cs_convolution_weight_gradient(const CSConvolution *convolution, const CSMaps *maps,
                                    CSPrecision precision, const float *input, const float *tiled,
                                    float *sums, int64_t piece) {
  static thread_local Scratch scratch, packed_scratch;
  static thread_local std::vector<TilePart> parts;
  const CSConvolution &c = *convolution;
  const Product &product = c.forward;
  const ConvolutionKernels &kernel = kernels().convolution;
  const UnfoldSource source = {input,        maps->height,   maps->width,
                               maps->images, product.read_y, product.read_x};
  const int64_t row_size = c.output_width(maps->width) * maps->images;
  const int64_t plane = output_plane(convolution, maps);
  const int64_t first_row = c.is_dense ? piece * dense_rows : product.blocks[piece];
  const int64_t end_row =
      c.is_dense ? std::min(first_row + dense_rows, c.row_length()) : product.blocks[piece + 1];
  const int64_t rows = end_row - first_row;
  const int64_t padded = c.is_dense ? divided(rows, 4) * 4 : rows;
  const int64_t width = gradient_tile_width(convolution);
  const int64_t step = tile_floats(convolution, precision);
  float *unfolded = scratch.floats(padded * width);
  std::memset(unfolded + rows * width, 0,
              static_cast<size_t>((padded - rows) * width) * sizeof(float));

  for (int64_t first = 0; first < plane; first += width, tiled += step) {
    split_into_parts(first, std::min(width, plane - first), row_size, parts);
    if (!see_map(source, parts, product.rows.data() + first_row, rows)) continue;
    kernel.unfold(source, parts.data(), static_cast<int>(parts.size()),
                  product.rows.data() + first_row, rows, width, unfolded);
    if (c.is_dense) {
      kernel.sample_all(unfolded, padded, dense_vectors, tiled, product.outputs, sums + first_row,
                        c.padded_row_length());
      continue;
    }
    const Segment *segments = product.segments.data() + product.block_segments[piece];
    const int64_t count = product.block_segments[piece + 1] - product.block_segments[piece];
    if (packs(convolution, precision)) {
      auto *packed = reinterpret_cast<uint16_t *>(packed_scratch.floats(rows * width / 2));
      kernel.pack(unfolded, rows * width, packed);
      kernel.sample_packed(packed, segments, count, product.row_in_block.data(),
                           reinterpret_cast<const uint16_t *>(tiled), sums);
    } else {
      kernel.sample_kept(unfolded, segments, count, product.row_in_block.data(), tiled, sums);
    }
  }
}

void cs_convolution_collect(const CSConvolution *convolution, const float *sums, float *gradient,
                            int64_t first, int64_t last) {
  const CSConvolution &c = *convolution;
  for (int64_t i = first; i < last; i++)
    gradient[i] =
        sums[c.is_dense ? c.cell_of(i) / c.row_length() * c.padded_row_length() +
                              c.cell_of(i) % c.row_length()
                        : c.forward_places[i]];
}
