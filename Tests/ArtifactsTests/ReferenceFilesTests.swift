// The reference files open, and hold what they should.

import Artifacts
import HDF5
import TestSupport
import Testing

@Suite struct ReferenceFilesTests {
  @Test(arguments: ReferenceCase.all) func datasetsOpen(_ reference: ReferenceCase) throws {
    let dataset = try DatasetFile(opening: reference.dataset)
    #expect(dataset.tasks.map(\.name) == reference.tasks)
    let info = try dataset.info(.train)
    #expect((info.count, info.height, info.width) == (4, 65, 65))
    for index in 0..<4 {
      let sample = try dataset.sample(index, of: info)
      #expect(sample.image.count == 65 * 65 * 3)
      for (task, target) in zip(dataset.tasks, sample.targets) {
        #expect(target.valid.count == 65 * 65)
        #expect(target.values.count == 65 * 65 * task.targetChannels)
        #expect(target.valid.contains(true))
      }
    }
  }

  @Test(arguments: ReferenceCase.all) func modelsOpen(_ reference: ReferenceCase) throws {
    let model = try ModelFile(opening: reference.model).model
    #expect(!model.parameters.isEmpty && !model.buffers.isEmpty && model.masks.isEmpty)
    #expect(model.step == 0)
  }

  @Test(arguments: ReferenceCase.all)
  func whatMustComeOutIsNoFileOfOurs(_ reference: ReferenceCase) throws {
    #expect(
      failure { _ = try ArtifactReader(opening: reference.expected) }?.reason
        == "not a disparse file (it has no attribute 'format')")
  }
}
