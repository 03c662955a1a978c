// Sizes as options name them.

import ArgumentParser
import Datasets

extension PixelSize: ExpressibleByArgument {}
