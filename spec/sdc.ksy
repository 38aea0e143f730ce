# Grammar of the container for Kaitai Struct (https://kaitai.io), informative: the text of sdc.md prevails.
# Names, ids, texts and ranges of fields are those of fields.json; a test compares them.

meta:
  id: sdc
  title: SDC 1.0, a semantic image format
  application: SDC
  file-extension: sdc
  license: CC0-1.0
  ks-version: 0.11
  endian: le

doc: |
  A header, which holds the places of the groups and the group map, then chunks, the data of the groups, and chunks.

  What this grammar cannot say, and a reader checks by itself:

  - CRCs: [HEAD-09], [CHNK-04] and, with a seed, [LATN-04].
  - Number of chunks [CHNK-08], unknown critical chunks [CHNK-05] and feature bits [HEAD-03].
  - Rules between fields of different parts, such as [GRPS-02] (groups and cells) or [MASK-03] (groups and the map).
  - The coded group map, the payloads of groups and the pixel masks of objects, which are opaque here, what is
    deflated in ICCP, EXIF and XMPP, and the JSON of PROV.

  In a file that is cut off, reading `preamble` or `chunks` stops with an end-of-stream error, and a wrong length of a
  chunk leads it astray. The header and, by its place [GRPS-07], the data of each group that is there can be read all
  the same: `head`, `head.groups[k].data`.
doc-ref: sdc.md

seq:
  - id: magic
    contents: [0xd3, 0x53, 0x44, 0x43]
    doc: '[FILE-01] magic number, "\xD3SDC"'
  - id: length
    type: varint
    doc: '[HEAD-07] bytes of the head'
  - id: head
    size: length.value
    type: head
    doc: '[HEAD-08] the head: picture, model, groups and group map'
  - id: crc
    type: u4
    doc: '[HEAD-09] CRC-32 over length and head'

instances:
  preamble:
    pos: end_of_header
    size: head.preamble.value
    type: chunk_list
    doc: '[GRPS-03] chunks in front of the groups'
  chunks:
    pos: end_of_groups
    type: chunk
    repeat: eos
    doc: '[FILE-02] chunks behind the groups'
  end_of_header:
    value: magic.length + length.size + length.value + 4
    doc: First byte after the header.
  first_group:
    value: end_of_header + head.preamble.value
    doc: Place of the first group's data [GRPS-07].
  end_of_groups:
    value: head.groups[head.count - 1].past
    doc: First byte after the last group's data.

enums:
  chunk_type:
    0x81: objs
    0x82: prov
    0x83: exif
    0x84: xmpp
    0x85: rest
    0xc1: iccp
    0xc2: colr
  level:
    0: l1
    1: l2
    2: l3
    3: other

types:
  varint:
    doc: |
      Minimal unsigned LEB128 of at most 5 bytes and at most 2^32 - 1 [NOTA-04] [NOTA-05].
      A last byte of 0 is refused: the number is not minimal. A fifth byte above 15 is refused:
      the value exceeds 2^32 - 1, or a sixth byte would follow.
    seq:
      - id: b0
        type: u1
      - id: b1
        type: u1
        valid:
          min: 1
        if: b0 > 127
      - id: b2
        type: u1
        valid:
          min: 1
        if: b0 > 127 and b1 > 127
      - id: b3
        type: u1
        valid:
          min: 1
        if: b0 > 127 and b1 > 127 and b2 > 127
      - id: b4
        type: u1
        valid:
          min: 1
          max: 15
        if: b0 > 127 and b1 > 127 and b2 > 127 and b3 > 127
    instances:
      size:
        value: 'b0 < 128 ? 1 : b1 < 128 ? 2 : b2 < 128 ? 3 : b3 < 128 ? 4 : 5'
        doc: Bytes that the number takes.
      value:
        value: >-
          (b0 & 127).as<u8>
          + (size > 1 ? (b1 & 127).as<u8> * 0x80 : 0)
          + (size > 2 ? (b2 & 127).as<u8> * 0x4000 : 0)
          + (size > 3 ? (b3 & 127).as<u8> * 0x200000 : 0)
          + (size > 4 ? (b4 & 127).as<u8> * 0x10000000 : 0)
        doc: The number. Products in place of shifts, since some target languages shift 32 bits only.

  chunk_list:
    seq:
      - id: chunks
        type: chunk
        repeat: eos

  chunk:
    seq:
      - id: type
        type: u1
        doc: '[CHNK-01] chunk type with its property bits'
      - id: length
        type: varint
        doc: '[CHNK-02] bytes of the payload'
      - id: payload
        size: length.value
        type:
          switch-on: kind
          cases:
            'chunk_type::objs': objs
            'chunk_type::prov': prov
            'chunk_type::exif': exif
            'chunk_type::xmpp': xmpp
            'chunk_type::rest': rest
            'chunk_type::iccp': iccp
            'chunk_type::colr': colr
        doc: "[CHNK-03] see the chunk's own table"
      - id: crc
        type: u4
        doc: '[CHNK-04] CRC-32 over type, length and payload'
    instances:
      kind:
        value: type
        enum: chunk_type
        doc: The type by its name; a type that this grammar does not know has an opaque payload.
      is_ancillary:
        value: (type & 0x80) != 0
        doc: A reader that does not know the chunk may ignore it; without this bit it is critical [CHNK-01].
      is_safe_to_copy:
        value: (type & 0x40) != 0
        doc: An editor that does not know the chunk may keep it [CHNK-01]; never set in a critical chunk [CHNK-06].
      is_private:
        value: (type & 0x20) != 0
        doc: For use within one system [CHNK-01].
      number:
        value: type & 0x1f
        doc: Number of the chunk type among those with the same property bits [CHNK-01].
      size:
        value: 1 + length.size + length.value + 4
        doc: Bytes of the whole chunk.

  head:
    seq:
      - id: width
        type: varint
        valid:
          expr: _.value >= 1 and _.value <= 65536
        doc: '[HEAD-01] width of the picture in pixels'
      - id: height
        type: varint
        valid:
          expr: _.value >= 1 and _.value <= 65536 and width.value * _.value <= 1073741824
        doc: '[HEAD-02] height of the picture in pixels; width * height is at most 2^30'
      - id: features
        type: varint
        doc: '[HEAD-03] required-feature bits; none is defined in this version'
      - id: model
        type: varint
        doc: '[HEAD-04] number of the model in the registry'
      - id: weights
        size: 4
        doc: '[HEAD-05] first 4 bytes of the SHA-256 of the model file'
      - id: version
        type: u1
        doc: '[HEAD-06] major version << 4 | minor version; information only; 0x10 in this version'
      - id: count
        type: u1
        valid:
          min: 1
        doc: '[GRPS-02] number of groups'
      - id: preamble
        type: varint
        doc: "[GRPS-03] bytes between the end of the header and the place of the first group's data"
      - id: groups
        type: group(_index)
        repeat: expr
        repeat-expr: count
        doc: '[GRPS-04] one entry per group, by level, most important first'
      - id: map
        size-eos: true
        doc: '[MASK-04] the coded group map'
    instances:
      cols:
        value: (width.value + 15) / 16
        doc: Columns of cells.
      rows:
        value: (height.value + 15) / 16
        doc: Rows of cells.

  group:
    params:
      - id: index
        type: s4
    seq:
      - id: level_quality
        type: u1
        doc: '[GRPS-05] level << 6 | quality; level 0 is L1, 1 is L2, 2 is L3, 3 is other; levels never decrease; quality 0 to 63'
      - id: size
        type: varint
        valid:
          expr: _.value == 0 or _.value >= 4
        doc: "[GRPS-06] bytes of the group's data with its CRC; 0 when the group has been withdrawn; never 1 to 3"
    instances:
      level:
        value: level_quality >> 6
        enum: level
      quality:
        value: level_quality & 63
      is_withdrawn:
        value: size.value == 0
        doc: An editor has removed the group [STAT-02].
      offset:
        value: '(index == 0 ? _root.first_group : _parent.as<head>.groups[index - 1].past).as<u8>'
        doc: Place of the group's data in the file, or where it would stand [GRPS-07].
      past:
        value: (offset + size.value).as<u8>
        doc: First byte after the group's data.
      data:
        io: _root._io
        pos: offset
        size: size.value
        type: latn
        if: not is_withdrawn
        doc: '[GRPS-07] data of the groups, each of the size that the head gives'

  latn:
    seq:
      - id: stream
        size: _io.size - 4
        doc: "[LATN-03] the payload: the group's rANS stream"
      - id: crc
        type: u4
        doc: '[LATN-04] CRC-32 over seed and payload'

  colr:
    seq:
      - id: primaries
        type: u1
        doc: '[COLR-01] number of the primaries in the registry'
      - id: transfer
        type: u1
        doc: '[COLR-02] number of the transfer in the registry'
      - id: excess
        size-eos: true
        valid:
          expr: _.length == 0
        doc: Nothing follows the last field [CHNK-03].

  iccp:
    seq:
      - id: size
        type: varint
        valid:
          expr: _.value >= 128 and _.value <= 1048576
        doc: '[ICCP-01] bytes of the ICC profile'
      - id: profile
        size-eos: true
        doc: '[DEFL-01] the ICC profile, deflated'

  exif:
    seq:
      - id: size
        type: varint
        valid:
          expr: _.value >= 8 and _.value <= 1048576
        doc: '[EXIF-01] bytes of the EXIF block'
      - id: block
        size-eos: true
        doc: '[DEFL-01] the EXIF block, deflated'

  xmpp:
    seq:
      - id: size
        type: varint
        valid:
          expr: _.value >= 1 and _.value <= 1048576
        doc: '[XMPP-01] bytes of the XMP packet'
      - id: packet
        size-eos: true
        doc: '[DEFL-01] the XMP packet, deflated'

  prov:
    seq:
      - id: text
        size-eos: true
        doc: '[PROV-01] a JSON object in UTF-8, of at most 65536 bytes, nested at most 32 deep'

  rest:
    seq:
      - id: model
        type: varint
        doc: '[REST-01] number of the restoration model in the registry'
      - id: weights
        size: 4
        doc: "[REST-02] first 4 bytes of the SHA-256 of the restoration model's file"
      - id: vector_count
        type: u1
        doc: '[REST-03] number of vectors'
      - id: vectors
        type: vector
        repeat: expr
        repeat-expr: vector_count
        doc: '[REST-04] vectors in rising order of group'
      - id: degradation_count
        type: u1
        doc: '[REST-08] number of degradations'
      - id: degradations
        type: degradation
        repeat: expr
        repeat-expr: degradation_count
        doc: '[REST-09] degradations in rising order of group and kind'
      - id: excess
        size-eos: true
        valid:
          expr: _.length == 0
        doc: Nothing follows the last field [CHNK-03].

  vector:
    seq:
      - id: group
        type: u1
        doc: '[REST-05] index of the group, or 255 for every group that has no vector of its own'
      - id: size
        type: u1
        valid:
          min: 1
          max: 64
        doc: '[REST-06] number of values, the same in every vector'
      - id: values
        size: size
        doc: "[REST-07] values as signed 8-bit integers, two's complement"

  degradation:
    seq:
      - id: group
        type: u1
        doc: '[REST-10] index of the group, or 255 for every group that has no degradation of its own'
      - id: kind
        type: u1
        valid:
          min: 1
          max: 255
        doc: '[REST-11] kind of degradation in the registry'
      - id: strength
        type: u1
        doc: '[REST-12] strength in 1/255; 0 when it was looked for and not found'

  objs:
    seq:
      - id: count
        type: varint
        valid:
          expr: _.value >= 1 and _.value <= 4095
        doc: '[OBJS-01] number of objects'
      - id: layout
        type: u1
        valid:
          expr: (_ & 7) <= 4 and _ < 64
        doc: '[OBJS-19] unit of boxes, 0 to 4, and which of scores, ranks and masks are coded'
      - id: label_count
        type: varint
        valid:
          expr: _.value <= 4095
        doc: '[OBJS-20] number of different labels'
      - id: labels
        type: label
        repeat: expr
        repeat-expr: label_count.value
        doc: '[OBJS-20] labels in the order of their first use'
      - id: reason_count
        type: varint
        valid:
          expr: _.value <= 4095
        doc: '[OBJS-20] number of different reasons'
      - id: reasons
        type: reason
        repeat: expr
        repeat-expr: reason_count.value
        doc: '[OBJS-20] reasons in the order of their first use'
      - id: coded_length
        type: varint
        doc: '[OBJS-21] bytes of the coded objects'
      - id: coded
        size: coded_length.value
        doc: '[OBJS-21] rANS stream of the objects, in order of rank'
      - id: masks
        size-eos: true
        doc: '[OBJS-15] pixel masks of the objects that have one, one after the other'
    instances:
      unit:
        value: layout & 7
        doc: Boxes are in units of 2^unit pixels [OBJS-22].
      scored:
        value: layout >> 3 & 1
        doc: Whether scores are coded; else all are 255 [OBJS-19].
      ranked:
        value: layout >> 4 & 1
        doc: Whether ranks are coded; else each is the index of its object [OBJS-19].
      masked:
        value: layout >> 5 & 1
        doc: Whether some object has a pixel mask [OBJS-19].
      zero:
        value: layout >> 6
        doc: Always 0 [OBJS-19].

  label:
    seq:
      - id: length
        type: varint
        valid:
          expr: _.value >= 1 and _.value <= 255
        doc: '[OBJS-10] bytes of the label'
      - id: text
        type: str
        encoding: UTF-8
        size: length.value
        doc: '[OBJS-11] name of objects, UTF-8'

  reason:
    seq:
      - id: length
        type: varint
        valid:
          expr: _.value >= 1 and _.value <= 4095
        doc: '[OBJS-12] bytes of the reason'
      - id: text
        type: str
        encoding: UTF-8
        size: length.value
        doc: '[OBJS-13] why objects have their level, UTF-8'
