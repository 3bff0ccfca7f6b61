// checksum -- CRC-32C of a message as it stands on the wire, for smtp-load and smtp-backend
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static uint32_t crc32c_table[256];

static void crc32c_prepare(void) {
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int k = 0; k < 8; k++) c = c & 1 ? c >> 1 ^ 0x82f63b78u : c >> 1;
        crc32c_table[i] = c;
    }
}

static uint32_t crc32c_octet(uint32_t c, unsigned char octet) { return c >> 8 ^ crc32c_table[(c ^ octet) & 255]; }

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t crc32c_fast(uint32_t c, const unsigned char *p, size_t n) {
    uint64_t wide = c, word;
    for (; n >= 8; p += 8, n -= 8) {
        memcpy(&word, p, 8);
        wide = __builtin_ia32_crc32di(wide, word);
    }
    c = (uint32_t)wide;
    for (; n; n--) c = crc32c_octet(c, *p++);
    return c;
}
#endif

static uint32_t crc32c(uint32_t c, const unsigned char *p, size_t n) {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("sse4.2")) return crc32c_fast(c, p, n);
#endif
    for (; n; n--) c = crc32c_octet(c, *p++);
    return c;
}
