// SPDX-License-Identifier: Apache-2.0
// Where this page finds the decoder and the models: in the repository. `make viewer` writes its own, with all beside the page.
export const DECODER = '../../conformance/decoders/javascript/';
export const MODELS = '../../sdc/models/';
