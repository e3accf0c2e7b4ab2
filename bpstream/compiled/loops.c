/* The loops of the hot path that touch every byte of every message and of every document.
 *
 * No Python in here: the caller (named above each part) owns all memory, has made room for
 * the most that can be written, and says how long everything is.
 */

#include <stdint.h>
#include <string.h>

/* ---- jsonlines.py: pieces beside each other, line by line -------------------------------- */

#define BILLION 1000000000ull

enum form { CONSTANT, BYTES, WHOLE, DECIMAL, MOMENT, PARTS };

typedef struct {
    int64_t form;
    const char *data;      /* text; a double a line for DECIMAL, an int64_t for WHOLE and MOMENT */
    int64_t width;         /* of BYTES and of a CONSTANT; else the most that a line has */
    const int64_t *begins; /* of PARTS: where in the text that of each line begins, */
    const int64_t *ends;   /* and where it ends */
} piece;

static inline char *append(char *to, const char *from, int64_t length) {
    memcpy(to, from, length);
    return to + length;
}

/* NumPy pads what is shorter than its column with NUL. */
static inline char *append_padded(char *to, const char *from, int64_t width) {
    if (width <= 16) {
        for (int64_t i = 0; i < width && from[i]; i++) *to++ = from[i];
        return to;
    }
    const char *padding = memchr(from, 0, width);
    return append(to, from, padding ? padding - from : width);
}

static inline char *append_digits(char *to, uint64_t value) {
    char digits[20], *first = digits + sizeof digits;
    do *--first = '0' + value % 10;
    while (value /= 10);
    return append(to, first, digits + sizeof digits - first);
}

static inline char *append_whole(char *to, int64_t value) {
    if (value < 0) *to++ = '-';
    return append_digits(to, value < 0 ? -(uint64_t)value : (uint64_t)value);
}

/* The same of some billionths that are fewer than 10,000: 9.9e-6. */
static inline char *append_tiny(char *to, uint64_t billionths) {
    char digits[4];
    int64_t count = append_digits(digits, billionths) - digits, last = count;
    while (digits[last - 1] == '0') last--;
    *to++ = digits[0];
    if (last > 1) *to++ = '.';
    to = append(to, digits + 1, last - 1);
    to = append(to, "e-", 2);
    return append_digits(to, 10 - count);
}

/* As the shortest decimal that is read as this double: of up to fifteen digits, nine of them behind
 * the point, there is one at the most.  NULL for a number that is not such a decimal. */
static inline char *append_decimal(char *to, double value) {
    if (value != value) return append(to, "null", 4);
    double size = __builtin_fabs(value);
    if (!(size < 1e6)) return NULL;
    uint64_t billionths = (uint64_t)(size * 1e9 + 0.5);
    if ((double)billionths / 1e9 != size) return NULL;
    if (__builtin_signbit(value)) *to++ = '-';
    if (0 < billionths && billionths < 10000) return append_tiny(to, billionths);
    to = append_digits(to, billionths / BILLION);
    *to++ = '.';
    uint64_t behind = billionths % BILLION;
    do {
        behind *= 10;
        *to++ = '0' + behind / BILLION;
        behind %= BILLION;
    } while (behind);
    return to;
}

static inline char *append_two(char *to, int64_t value) {
    *to++ = '0' + value / 10;
    *to++ = '0' + value % 10;
    return to;
}

/* Microseconds since 1970 as 2026-01-29T21:32:51.619300; NULL before the year 1 and after 9999. */
static inline char *append_moment(char *to, int64_t moment) {
    const int64_t day = 86400000000, first = -719162, last = 2932896;
    if (moment < first * day || moment >= (last + 1) * day) return NULL;
    int64_t since = moment - first * day, of_day = since % day;
    /* Years from March on, of which a leap day is the last; 0000-03-01 is day 0. */
    int64_t days = since / day + 306, of_era = days % 146097;
    int64_t years = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * years + years / 4 - years / 100);
    int64_t month = (5 * of_year + 2) / 153, date = of_year - (153 * month + 2) / 5 + 1;
    int64_t year = days / 146097 * 400 + years + (month >= 10);
    to = append_two(to, year / 100);
    to = append_two(to, year % 100);
    *to++ = '-';
    to = append_two(to, month < 10 ? month + 3 : month - 9);
    *to++ = '-';
    to = append_two(to, date);
    *to++ = 'T';
    to = append_two(to, of_day / 3600000000ll);
    *to++ = ':';
    to = append_two(to, of_day / 60000000 % 60);
    *to++ = ':';
    to = append_two(to, of_day / 1000000 % 60);
    *to++ = '.';
    int64_t behind = of_day % 1000000;
    to = append_two(to, behind / 10000);
    to = append_two(to, behind / 100 % 100);
    return append_two(to, behind % 100);
}

/* Write the lines `first` to `last` (not that one) to `out`, and to ends[first ...] where each ends
 * in a text that has `before` bytes in front of them.
 *
 * Returns how many bytes they take; -1 for a number or a moment that is not written here. */
int64_t write_lines(const piece *pieces, int64_t count, char *out, int64_t *ends, int64_t first,
                    int64_t last, int64_t before) {
    char *to = out;
    for (int64_t row = first; row < last; row++) {
        for (const piece *each = pieces; each < pieces + count; each++) {
            switch (each->form) {
            case CONSTANT:
                to = append(to, each->data, each->width);
                break;
            case BYTES:
                to = append_padded(to, each->data + row * each->width, each->width);
                break;
            case WHOLE:
                to = append_whole(to, ((const int64_t *)each->data)[row]);
                break;
            case DECIMAL:
                to = append_decimal(to, ((const double *)each->data)[row]);
                break;
            case MOMENT:
                to = append_moment(to, ((const int64_t *)each->data)[row]);
                break;
            case PARTS:
                to = append(to, each->data + each->begins[row], each->ends[row] - each->begins[row]);
                break;
            }
            if (!to) return -1;
        }
        ends[row] = before + (to - out);
    }
    return to - out;
}

/* ---- fhir/shapes.py: messages that differ in nothing but some values --------------------- */

enum kind { ID, TEXT, NUMBER };

enum { MOST_VALUES = 8, MOST_DIGITS = 15, LONGEST_ID = 64 };

/* As many digits as a double holds exactly, over a power of ten that it holds exactly: the
 * quotient is the double nearest to the decimal number. */
static const double POWERS[MOST_DIGITS + 1] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                               1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};

static inline int is_digit(char c) { return c >= '0' && c <= '9'; }

static inline int is_of_id(char c) {
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '.';
}

/* ASCII that JSON does not escape. */
static inline int is_plain(char c) { return c >= ' ' && c <= '~' && c != '"' && c != '\\'; }

/* Where the value that begins at `at` ends; NULL where there is none of this kind. */
static inline const char *end_of_text(const char *at, const char *end, enum kind kind) {
    const char *start = at;
    if (kind == TEXT) {
        while (at < end && is_plain(*at)) at++;
        return at;
    }
    while (at < end && is_of_id(*at)) at++;
    return at > start && at - start <= LONGEST_ID ? at : NULL;
}

/* The same of a number that is not negative and has no exponent. */
static inline const char *end_of_number(const char *at, const char *end, double *value) {
    const char *start = at, *point = NULL;
    int64_t digits = 0;
    int count = 0;
    for (; at < end && (is_digit(*at) || (*at == '.' && !point && at > start)); at++) {
        if (*at == '.') {
            point = at;
            continue;
        }
        if (++count > MOST_DIGITS) return NULL;
        digits = digits * 10 + (*at - '0');
    }
    const char *whole_ends = point ? point : at;
    if (whole_ends == start || (*start == '0' && whole_ends > start + 1)) return NULL;
    if (point && at == point + 1) return NULL;
    *value = (double)digits / POWERS[point ? at - point - 1 : 0];
    return at;
}

/* Read those of `n` messages that are nothing but the literals with a value between each two.
 *
 * begins[i] to ends[i] is message i; both are -1 where there is none.  `literal` has the literals
 * one after the other, of `lengths`, one more than there are values.  A text or an id is added to
 * texts[v], with a line's end behind it, and used[v] is how much of that is used; a number is added
 * to numbers[v].  fits[i] becomes 1 for each message that was read.  Returns how many. */
int64_t read_shape(const char *text, const int64_t *begins, const int64_t *ends, int64_t n,
                   const char *literal, const int64_t *lengths, const int8_t *kinds,
                   int64_t values, char *const *texts, int64_t *used, double *const *numbers,
                   uint8_t *fits) {
    int64_t found = 0;
    for (int64_t i = 0; i < n; i++) {
        fits[i] = 0;
        if (begins[i] < 0) continue;
        const char *at = text + begins[i], *end = text + ends[i], *wanted = literal;
        const char *before[MOST_VALUES], *behind[MOST_VALUES];
        double number[MOST_VALUES];
        int64_t v;
        for (v = 0;; v++) {
            if (end - at < lengths[v] || memcmp(at, wanted, lengths[v])) {
                at = NULL;
                break;
            }
            at += lengths[v];
            wanted += lengths[v];
            if (v == values) break;
            before[v] = at;
            at = kinds[v] == NUMBER ? end_of_number(at, end, &number[v])
                                    : end_of_text(at, end, kinds[v]);
            if (!at) break;
            behind[v] = at;
        }
        fits[i] = at == end;
        if (!fits[i]) continue;
        for (v = 0; v < values; v++) {
            if (kinds[v] == NUMBER) {
                numbers[v][found] = number[v];
                continue;
            }
            int64_t length = behind[v] - before[v];
            memcpy(texts[v] + used[v], before[v], length);
            used[v] += length;
            texts[v][used[v]++] = '\n';
        }
        found++;
    }
    return found;
}

/* ---- stream/unpacking.py, stream/packing.py: record batches as Kafka has them ------------- */

/* Where things stand in one: https://kafka.apache.org/documentation/#recordbatch */
enum {
    BASE_OFFSET = 0,
    LENGTH = 8,
    MAGIC = 16,
    CHECKSUM = 17,
    ATTRIBUTES = 21, /* from here on it is of the checksum */
    BASE_TIME = 27,
    LAST_TIME = 35,
    COUNT = 57,
    RECORDS = 61
};
enum { MAGIC_NOW = 2, IS_COMPRESSED = 7, IS_TIME_OF_APPEND = 8 };
enum column { OFFSET, TIME, KEY_BEGINS, KEY_ENDS, VALUE_BEGINS, VALUE_ENDS };

static inline int64_t big_endian(const char *at, int bytes) {
    uint64_t value = 0;
    for (int i = 0; i < bytes; i++) value = value << 8 | (uint8_t)at[i];
    return (int64_t)value;
}

static inline int64_t size_of_batch(const char *batch) {
    return LENGTH + 4 + big_endian(batch + LENGTH, 4);
}

/* A number of seven bits a byte, its sign in the lowest; NULL where it has no end. */
static inline const char *read_varint(const char *at, const char *end, int64_t *value) {
    uint64_t bits = 0;
    for (int shift = 0; at && at < end && shift < 64; shift += 7) {
        uint8_t byte = (uint8_t)*at++;
        bits |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *value = (int64_t)(bits >> 1) ^ -(int64_t)(bits & 1);
            return at;
        }
    }
    return NULL;
}

/* A length, and so many bytes; a length below zero says that there is nothing: -1 and -1. */
static inline const char *read_bytes(const char *text, const char *at, const char *end,
                                     int64_t *begins, int64_t *ends) {
    int64_t length;
    at = read_varint(at, end, &length);
    if (!at || length > end - at) return NULL;
    *begins = *ends = -1;
    if (length < 0) return at;
    *begins = at - text;
    *ends = *begins + length;
    return at + length;
}

/* Read the records from offset `first` on of batches that begin at begins[0 ...] of `text`, which
 * has `size` bytes, and has all of each batch.
 *
 * Column c of record i is columns[c * room + i].  Returns how many records, at most `room`; -1 where
 * one has headers, or a batch is compressed, of an old format, or not what it says. */
int64_t read_records(const char *text, int64_t size, const int64_t *begins, int64_t batches,
                     int64_t first, int64_t *columns, int64_t room) {
    int64_t n = 0;
    for (int64_t b = 0; b < batches; b++) {
        const char *batch = text + begins[b];
        if (size - begins[b] < RECORDS || batch[MAGIC] != MAGIC_NOW) return -1;
        const char *end = batch + size_of_batch(batch);
        int64_t attributes = big_endian(batch + ATTRIBUTES, 2);
        if (end > text + size || attributes & IS_COMPRESSED) return -1;
        int64_t left = big_endian(batch + COUNT, 4);
        const char *at = batch + RECORDS;
        for (; left > 0; left--) {
            int64_t length, time, offset, headers;
            at = read_varint(at, end, &length);
            if (!at || length < 1 || length > end - at || n == room) return -1;
            const char *behind = at + length;
            at = read_varint(at + 1, behind, &time);
            at = read_varint(at, behind, &offset);
            int64_t *row = columns + n;
            at = read_bytes(text, at, behind, row + KEY_BEGINS * room, row + KEY_ENDS * room);
            at = read_bytes(text, at, behind, row + VALUE_BEGINS * room, row + VALUE_ENDS * room);
            at = read_varint(at, behind, &headers);
            if (at != behind || headers) return -1;
            row[OFFSET * room] = big_endian(batch + BASE_OFFSET, 8) + offset;
            row[TIME * room] = attributes & IS_TIME_OF_APPEND
                                   ? big_endian(batch + LAST_TIME, 8)
                                   : big_endian(batch + BASE_TIME, 8) + time;
            n += row[OFFSET * room] >= first;
        }
    }
    return n;
}

static inline char *append_varint(char *to, int64_t value) {
    uint64_t bits = (uint64_t)value << 1 ^ (uint64_t)(value >> 63);
    for (; bits >= 0x80; bits >>= 7) *to++ = (char)(bits | 0x80);
    *to++ = (char)bits;
    return to;
}

static inline int64_t size_of_varint(int64_t value) {
    char digits[10];
    return append_varint(digits, value) - digits;
}

/* Append those of `n` records that fit to a batch of `count` records and `used` bytes: without
 * headers, and of the batch's own time.  The batch's first is appended in any case; all together
 * take less than `room`.
 *
 * Key and value of record i are begins[i] to ends[i] of their texts.  Returns how many it took. */
int64_t write_records(char *out, int64_t *used, int64_t room, int64_t count, int64_t n,
                      const char *keys, const int64_t *key_begins, const int64_t *key_ends,
                      const char *values, const int64_t *value_begins, const int64_t *value_ends) {
    char *to = out + *used;
    int64_t i;
    for (i = 0; i < n; i++) {
        int64_t key = key_ends[i] - key_begins[i], value = value_ends[i] - value_begins[i];
        /* Beside these: attributes, time, and how many headers, a byte each. */
        int64_t length = 3 + size_of_varint(count + i) + size_of_varint(key) + key +
                         size_of_varint(value) + value;
        if (count + i && to - out + size_of_varint(length) + length >= room) break;
        to = append_varint(to, length);
        *to++ = 0;
        to = append_varint(to, 0);
        to = append_varint(to, count + i);
        to = append_varint(to, key);
        to = append(to, keys + key_begins[i], key);
        to = append_varint(to, value);
        to = append(to, values + value_begins[i], value);
        to = append_varint(to, 0);
    }
    *used = to - out;
    return i;
}

#if defined(__x86_64__) && defined(__GNUC__)
#include <nmmintrin.h>

__attribute__((target("sse4.2"))) static int64_t crc32c_of(const char *at, const char *end) {
    uint64_t crc = 0xffffffff, eight;
    for (; end - at >= 8; at += 8) {
        memcpy(&eight, at, 8);
        crc = _mm_crc32_u64(crc, eight);
    }
    for (; at < end; at++) crc = _mm_crc32_u8((uint32_t)crc, (uint8_t)*at);
    return (uint32_t)~crc;
}

/* The checksum of a part of the text (RFC 3720, appendix B.4); -1 where the processor has none. */
int64_t crc32c(const char *text, int64_t begin, int64_t end) {
    return __builtin_cpu_supports("sse4.2") ? crc32c_of(text + begin, text + end) : -1;
}
#else
int64_t crc32c(const char *text, int64_t begin, int64_t end) {
    (void)text, (void)begin, (void)end;
    return -1;
}
#endif

/* Where the batches of `text` begin, how many records each says it has, and whether its checksum is
 * true; -1 where that is not known.
 *
 * Returns how many there are, wholly there; -1 where one is of an old format. */
int64_t read_batches(const char *text, int64_t size, int64_t *begins, int64_t *counts,
                     int8_t *are_sound) {
    int64_t n = 0, at = 0, end;
    for (; size - at >= LENGTH + 4; at = end) {
        end = at + size_of_batch(text + at);
        if (end > size) break;
        if (end - at < RECORDS || text[at + MAGIC] != MAGIC_NOW) return -1;
        begins[n] = at;
        counts[n] = big_endian(text + at + COUNT, 4);
        int64_t found = crc32c(text, at + ATTRIBUTES, end);
        are_sound[n++] = found < 0 ? -1 : found == big_endian(text + at + CHECKSUM, 4);
    }
    return n;
}
