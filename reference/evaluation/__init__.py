"""Figures of the codec: ``python -m sdc_reference.evaluation COMMAND``.

How well it codes:

- ``rate --data DIR --csv FILE [--peers jpeg webp avif jxl] [--plot FILE]``: bits per pixel of whole files
  against PSNR and MS-SSIM of the integer decoder's images, and of other codecs in the same run.
- ``compare --csv FILE``: rate at equal PSNR and MS-SSIM against those and against published figures.
- ``partial --data DIR --coco DIR``: L1 alone has the pixels of the whole image, and what that costs.
- ``ablation --data DIR``: bytes with the context or the hyperprior switched off.
- ``integers --checkpoint FILE --data DIR --fit DIR ...``: the integer codec against the same model in floats.
- ``checkpoints --checkpoints FILE ... --data DIR``: models in training against each other.
- ``efforts --data DIR [--efforts N ...]``: what a longer search of the encoder buys.
- ``restoration --data DIR --csv FILE [--denoisers FILE ...]``: degraded photographs, restored from latents
  and in other ways.
- ``restored --image FILE --out FILE``: one photograph, degraded, as captured and restored, to look at.
- ``sheet --coco DIR --out FILE``: ten photographs, whole and in part, to look at.

What machines see in coded images:

- ``accuracy --task TASK --network FILE --data DIR --out DIR``: rate against the accuracy of a network.
- ``presets`` with the same: which preset of the encoder suits a task.
- ``importance`` with the same: what the levels are worth, beside others and beside chance.
- ``vlm --vlm URL#MODEL --data DIR --out DIR``: captions and answers of a multimodal model.
- ``summary OUT/results.json``: short tables of a run of ``accuracy``.
- ``degraded --coco DIR --network FILE --rows FILE [--analysis 4]``: what a detector finds in degraded images,
  as captured and restored.
- ``analysis --coco DIR``: what the regions that the analysis finds hold of the true objects.

How much it takes:

- ``work``: multiply-adds per pixel and bytes of weights.
- ``speed``: decoding and encoding times, in process, of a 768x512 image with four groups.
- ``loader --coco DIR [--network FILE]``: images a second of torch's data loader, and the AP that they buy.
- ``peers --data DIR``: the same times beside those of other codecs, as ratios.
- ``entropy --data DIR``: symbols per second, skipped symbols, escapes, and bytes above the ideal.
- ``large``: an image of 100 megapixels, decoded in a process of its own; its peak memory.
- ``budget --coco DIR``: bytes of streams with four levels by part: head, map, CRCs, objects, latents.
- ``agree --data DIR``: how often torch and NumPy write the same file, and that they decode the same bits.

``--data`` is a folder of photographs, ``--coco`` one with COCO's ``instances.json``.
``rate``, ``accuracy`` and ``presets`` share one store of what was coded and measured.
"""
