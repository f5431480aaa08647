/* CRC-32 of IEEE 802.3 (reflected polynomial 0xedb88320), as in zlib. */
#ifndef RIL_CRC32_H
#define RIL_CRC32_H

#include <stddef.h>
#include <stdint.h>

/* What ril_crc32 gives for any body followed by its own little-endian CRC, whatever the seed. */
#define RIL_CRC_RESIDUE UINT32_C(0x2144df1c)

/* Continues from `seed` (0 to begin the standard CRC), the same as zlib's crc32(seed, bytes, size). */
uint32_t ril_crc32(uint32_t seed, const uint8_t *bytes, size_t size);

#endif
