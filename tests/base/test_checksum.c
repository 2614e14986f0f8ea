/* Checksums against published vectors. */
#include "check.h"

#include <string.h>
#include <zlib.h>

#include "base/checksum.h"

/* "check" values of the CRC catalogue, and RFC 3720 B.4 for CRC-32C. */
static void crcs(void **state)
{
    (void)state;
    uint8_t zeros[32] = {0};
    uint8_t ones[32];
    uint8_t rising[32];
    memset(ones, 0xFF, sizeof ones);
    for (int i = 0; i < 32; i++) {
        rising[i] = (uint8_t)i;
    }
    assert_int_equal(mmi_crc32(0, "123456789", 9), 0xCBF43926);
    assert_int_equal(mmi_crc32(mmi_crc32(0, "1234", 4), "56789", 5), 0xCBF43926);
    assert_int_equal(
        mmi_crc32_join(mmi_crc32(0, "1234", 4), mmi_crc32(0, "56789", 5), 5),
        0xCBF43926);
    assert_int_equal(mmi_crc32(0, NULL, 0), 0);
    assert_int_equal(mmi_crc32c(0, "123456789", 9), 0xE3069283);
    assert_int_equal(mmi_crc32c(mmi_crc32c(0, "1234", 4), "56789", 5), 0xE3069283);
    assert_int_equal(mmi_crc32c(0, zeros, 32), 0x8A9136AA);
    assert_int_equal(mmi_crc32c(0, ones, 32), 0x62A8AB43);
    assert_int_equal(mmi_crc32c(0, rising, 32), 0x46DD794E);
}

/* Every length around the blocks of the fast way, every alignment, in pieces: zlib's
 * values. */
static void crc32_equals_zlibs(void **state)
{
    (void)state;
    enum { SIZE = 4096 };
    static uint8_t data[SIZE + 16];
    uint32_t random = 12345;
    for (size_t i = 0; i < sizeof data; i++) {
        random = random * 1664525U + 1013904223U;
        data[i] = (uint8_t)(random >> 24);
    }
    for (size_t size = 0; size < 700; size++) {
        for (size_t begin = 0; begin < 16; begin += 5) {
            uint32_t expected = (uint32_t)crc32_z(size, data + begin, size);
            assert_int_equal(mmi_crc32((uint32_t)size, data + begin, size), expected);
        }
    }
    uint32_t whole = (uint32_t)crc32_z(0, data, SIZE);
    for (size_t first = 0; first <= SIZE; first += 61) {
        uint32_t crc = mmi_crc32(mmi_crc32(0, data, first), data + first, SIZE - first);
        assert_int_equal(crc, whole);
    }
}

/* FIPS 180-4 examples and NIST's long message. */
static void sha256(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *hash;
    } cases[] = {
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
        {"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmn"
         "op"
         "qklmnopqrlmnopqrsmnopqrstnopqrstu",
         "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1"},
    };
    char text[MMI_SHA256_TEXT_SIZE];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        mmi_sha256_text(cases[i].text, strlen(cases[i].text), text);
        assert_string_equal(text, cases[i].hash);
    }
    char thousand[1000];
    uint8_t hash[MMI_SHA256_SIZE];
    mmi_sha256 sha;
    memset(thousand, 'a', sizeof thousand);
    mmi_sha256_init(&sha);
    for (int i = 0; i < 1000; i++) {
        mmi_sha256_add(&sha, thousand, sizeof thousand);
    }
    mmi_sha256_finish(&sha, hash);
    mmi_hex(hash, sizeof hash, text);
    assert_string_equal(
        text, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

/* Any way to cut a message gives the same hash. */
static void sha256_in_pieces(void **state)
{
    (void)state;
    char message[300];
    char whole[MMI_SHA256_TEXT_SIZE];
    char pieces[MMI_SHA256_TEXT_SIZE];
    for (size_t i = 0; i < sizeof message; i++) {
        message[i] = (char)(i * 7);
    }
    for (size_t size = 0; size < sizeof message; size++) {
        uint8_t hash[MMI_SHA256_SIZE];
        mmi_sha256 sha;
        mmi_sha256_text(message, size, whole);
        mmi_sha256_init(&sha);
        size_t cut = size / 3;
        mmi_sha256_add(&sha, message, cut);
        mmi_sha256_add(&sha, message + cut, cut);
        mmi_sha256_add(&sha, message + 2 * cut, size - 2 * cut);
        mmi_sha256_finish(&sha, hash);
        mmi_hex(hash, sizeof hash, pieces);
        assert_string_equal(pieces, whole);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLEAN_TEST(crcs),
        CLEAN_TEST(crc32_equals_zlibs),
        CLEAN_TEST(sha256),
        CLEAN_TEST(sha256_in_pieces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
