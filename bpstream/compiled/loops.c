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
    int64_t width;         /* of BYTES and of a CONSTANT */
    const int64_t *begins; /* of PARTS: where in the text that of each line begins, */
    const int64_t *ends;   /* and where it ends */
} piece;

/* Most pieces are short: to call memcpy costs more than what it does for them. */
static inline char *append(char *to, const char *from, int64_t length) {
    if (length > 32) {
        memcpy(to, from, length);
    } else if (length >= 16) {
        memcpy(to, from, 16);
        memcpy(to + length - 16, from + length - 16, 16);
    } else if (length >= 8) {
        memcpy(to, from, 8);
        memcpy(to + length - 8, from + length - 8, 8);
    } else if (length >= 4) {
        memcpy(to, from, 4);
        memcpy(to + length - 4, from + length - 4, 4);
    } else if (length) {
        to[0] = from[0];
        to[length / 2] = from[length / 2];
        to[length - 1] = from[length - 1];
    }
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
    int count = 1;
    for (uint64_t rest = value; rest >= 10; rest /= 10) count++;
    for (int i = count; i-- > 0; value /= 10) to[i] = '0' + value % 10;
    return to + count;
}

static inline char *append_whole(char *to, int64_t value) {
    if (value < 0) *to++ = '-';
    return append_digits(to, value < 0 ? -(uint64_t)value : (uint64_t)value);
}

/* The same of some billionths that are fewer than 10,000: 9.9e-6. */
static inline char *append_tiny(char *to, uint64_t billionths) {
    int exponent = 9;
    for (; billionths % 10 == 0; billionths /= 10) exponent--;
    char *point = to + 1;
    to = append_digits(to, billionths);
    exponent -= to - point;
    if (to > point) {
        memmove(point + 1, point, to++ - point);
        *point = '.';
    }
    to = append(to, "e-", 2);
    return append_digits(to, exponent);
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

#define SECOND 1000000ll /* in microseconds, and a day in seconds */
#define DAY 86400ll

static const int64_t FIRST_DAY = -719162, LAST_DAY = 2932896; /* 0001-01-01, 9999-12-31 */

/* Microseconds since 1970 as 2026-01-29T21:32:51.619300; NULL before the year 1 and after 9999. */
static inline char *append_moment(char *to, int64_t moment) {
    const int64_t day = DAY * SECOND;
    if (moment < FIRST_DAY * day || moment >= (LAST_DAY + 1) * day) return NULL;
    int64_t since = moment - FIRST_DAY * day, of_day = since % day;
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

/* Write `n` lines to `out`, and to ends[i] where line i ends.
 *
 * Returns how many bytes they take; -1 for a number or a moment that is not written here. */
int64_t write_lines(const piece *pieces, int64_t count, char *out, int64_t *ends, int64_t n) {
    char *to = out;
    for (int64_t row = 0; row < n; row++) {
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
        ends[row] = to - out;
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

/* ---- fhir/moments.py: times as most feeds write them -------------------------------------- */

/* So many digits, as a number; -1 where there are others. */
static inline int64_t read_digits(const char *at, int count) {
    int64_t value = 0;
    for (int i = 0; i < count; i++) {
        if (!is_digit(at[i])) return -1;
        value = value * 10 + (at[i] - '0');
    }
    return value;
}

static inline int64_t days_of(int64_t year, int64_t month) {
    int is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month == 2 ? 28 + is_leap : 30 + (month + month / 8) % 2;
}

/* Days since 1970 of a date; the last day of February is the last of its year. */
static inline int64_t day_of(int64_t year, int64_t month, int64_t date) {
    year -= month <= 2;
    int64_t era = year / 400, of_era = year % 400;
    int64_t of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + date - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

/* Microseconds since 1970 of 2026-01-29T21:32:51.619300+00:00, of three digits behind the point or
 * none as well, and with Z as its zone: 1; 0 where it is another time, or none. */
static inline int read_time(const char *at, const char *end, int64_t farthest, int64_t *moment) {
    static const char form[] = "0000-00-00T00:00:00";
    if (end - at < (int64_t)sizeof form) return 0;
    for (int i = 0; form[i]; i++)
        if (form[i] == '0' ? !is_digit(at[i]) : at[i] != form[i]) return 0;
    int64_t year = read_digits(at, 4), month = read_digits(at + 5, 2);
    int64_t date = read_digits(at + 8, 2), hour = read_digits(at + 11, 2);
    int64_t minute = read_digits(at + 14, 2), second = read_digits(at + 17, 2);
    if (month < 1 || month > 12 || date < 1 || date > days_of(year, month)) return 0;
    if (hour > 23 || minute > 59 || second > 59) return 0;
    at += sizeof form - 1;
    int64_t behind = 0, east = 0;
    if (*at == '.') {
        int digits = 0;
        for (at++; digits < 6 && at + digits < end && is_digit(at[digits]);) digits++;
        if (digits != 3 && digits != 6) return 0;
        behind = read_digits(at, digits) * (digits == 3 ? 1000 : 1);
        at += digits;
    }
    if (end - at == 6 && (*at == '+' || *at == '-') && at[3] == ':') {
        int64_t hours = read_digits(at + 1, 2), minutes = read_digits(at + 4, 2);
        east = hours * 60 + minutes;
        if (hours < 0 || minutes < 0 || minutes > 59 || east > farthest) return 0;
        if (*at == '-') east = -east;
    } else if (end - at != 1 || *at != 'Z') {
        return 0;
    }
    int64_t seconds = (hour * 60 + minute - east) * 60 + second;
    *moment = (day_of(year, month, date) * DAY + seconds) * SECOND + behind;
    return *moment >= FIRST_DAY * DAY * SECOND && *moment < (LAST_DAY + 1) * DAY * SECOND;
}

/* Read `n` times, whose zones are `farthest` minutes from Greenwich at the most.  Of one that is
 * not known, moments[i] is 0. */
void read_times(const char *text, const int64_t *begins, const int64_t *ends, int64_t n,
                int64_t farthest, int64_t *moments, uint8_t *known) {
    for (int64_t i = 0; i < n; i++) {
        known[i] = read_time(text + begins[i], text + ends[i], farthest, &moments[i]);
        if (!known[i]) moments[i] = 0;
    }
}

/* ---- fhir/identity.py: BLAKE2b without a key, RFC 7693 ------------------------------------- */

enum { BLOCK = 128, WORDS = 16, ROUNDS = 12 };

static const uint64_t IV[8] = {0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b,
                               0xa54ff53a5f1d36f1, 0x510e527fade682d1, 0x9b05688c2b3e6c1f,
                               0x1f83d9abfb41bd6b, 0x5be0cd19137e2179};

static const uint8_t SIGMA[10][WORDS] = {
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
    {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
    {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4},
    {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
    {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13},
    {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
    {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11},
    {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
    {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5},
    {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0}};

static inline uint64_t rotated(uint64_t word, int bits) { return word >> bits | word << (64 - bits); }

static inline uint64_t little_endian(const uint8_t *at) {
    uint64_t value = 0;
    for (int i = 7; i >= 0; i--) value = value << 8 | at[i];
    return value;
}

#define MIX(a, b, c, d, x, y)               \
    v[a] += v[b] + (x);                     \
    v[d] = rotated(v[d] ^ v[a], 32);        \
    v[c] += v[d];                           \
    v[b] = rotated(v[b] ^ v[c], 24);        \
    v[a] += v[b] + (y);                     \
    v[d] = rotated(v[d] ^ v[a], 16);        \
    v[c] += v[d];                           \
    v[b] = rotated(v[b] ^ v[c], 63)

/* Take a block into the state; `counted` bytes are taken by then. */
static void compress(uint64_t state[8], const uint8_t block[BLOCK], uint64_t counted, int is_last) {
    uint64_t v[WORDS], m[WORDS];
    for (int i = 0; i < WORDS; i++) m[i] = little_endian(block + 8 * i);
    for (int i = 0; i < 8; i++) v[i] = state[i], v[i + 8] = IV[i];
    v[12] ^= counted;
    if (is_last) v[14] = ~v[14];
#pragma GCC unroll 12
    for (int round = 0; round < ROUNDS; round++) {
        const uint8_t *s = SIGMA[round % 10];
        MIX(0, 4, 8, 12, m[s[0]], m[s[1]]);
        MIX(1, 5, 9, 13, m[s[2]], m[s[3]]);
        MIX(2, 6, 10, 14, m[s[4]], m[s[5]]);
        MIX(3, 7, 11, 15, m[s[6]], m[s[7]]);
        MIX(0, 5, 10, 15, m[s[8]], m[s[9]]);
        MIX(1, 6, 11, 12, m[s[10]], m[s[11]]);
        MIX(2, 7, 8, 13, m[s[12]], m[s[13]]);
        MIX(3, 4, 9, 14, m[s[14]], m[s[15]]);
    }
    for (int i = 0; i < 8; i++) state[i] ^= v[i] ^ v[i + 8];
}

/* Write the hash of each of `n` parts of the text, of `size` bytes (64 at the most), in hexadecimal
 * digits, a line each. */
void write_digests(const char *text, const int64_t *begins, const int64_t *ends, int64_t n,
                   int64_t size, char *out) {
    static const char digits[] = "0123456789abcdef";
    for (int64_t i = 0; i < n; i++) {
        const uint8_t *at = (const uint8_t *)text + begins[i], *end = (const uint8_t *)text + ends[i];
        uint64_t state[8], counted = 0;
        uint8_t last[BLOCK] = {0};
        memcpy(state, IV, sizeof state);
        state[0] ^= 0x01010000 ^ (uint64_t)size;
        for (; end - at > BLOCK; at += BLOCK) compress(state, at, counted += BLOCK, 0);
        memcpy(last, at, end - at);
        compress(state, last, counted + (end - at), 1);
        for (int64_t b = 0; b < size; b++) {
            uint8_t byte = (uint8_t)(state[b / 8] >> (8 * (b % 8)));
            *out++ = digits[byte >> 4];
            *out++ = digits[byte & 15];
        }
        *out++ = '\n';
    }
}

/* ---- texts.py: texts of which many are alike ------------------------------------------------ */

/* Both halves of a product count: as in Wang Yi's wyhash. */
static inline uint64_t mixed(uint64_t hash, uint64_t word) {
    unsigned __int128 product = (unsigned __int128)(hash ^ word) * 0x9e3779b97f4a7c15;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* `secret`: whoever does not know it cannot choose texts that make a table slow. */
static inline uint64_t hash_of(const char *text, int64_t size, uint64_t secret) {
    uint64_t hash = mixed(secret, (uint64_t)size), word;
    for (; size >= 8; size -= 8, text += 8) {
        memcpy(&word, text, 8);
        hash = mixed(hash, word);
    }
    for (word = 0; size > 0; size--) word = word << 8 | (uint8_t)*text++;
    return mixed(hash, word);
}

/* Tell which of `n` parts of a text are the same: groups[i] is that of part i, and firsts[g] the
 * first part of group g.  `table` has `slots` places, a power of two that is more than n, all -1.
 *
 * Returns how many groups there are. */
int64_t find_alike(const char *text, const int64_t *begins, const int64_t *ends, int64_t n,
                   int64_t *table, int64_t slots, uint64_t secret, int64_t *groups,
                   int64_t *firsts) {
    int64_t found = 0;
    for (int64_t i = 0; i < n; i++) {
        const char *part = text + begins[i];
        int64_t size = ends[i] - begins[i];
        int64_t slot = (int64_t)hash_of(part, size, secret) & (slots - 1);
        for (; table[slot] >= 0; slot = (slot + 1) & (slots - 1)) {
            int64_t first = firsts[table[slot]];
            if (ends[first] - begins[first] == size && !memcmp(text + begins[first], part, size))
                break;
        }
        if (table[slot] < 0) {
            firsts[found] = i;
            table[slot] = found++;
        }
        groups[i] = table[slot];
    }
    return found;
}

/* ---- ids.py: different texts, each at a position ------------------------------------------- */

/* Those that are held: the one at position i is from bounds[i] to bounds[i + 1]. */
typedef struct {
    char *text;
    int64_t *bounds;
    int64_t count;
    uint64_t *table; /* a position more than its own of each, below some bits of its hash; or 0 */
    int64_t slots;   /* of the table: a power of two, more than `count` */
    uint64_t secret;
} ids;

enum { AT_ONCE = 32 };

#define POSITION_BITS 32
#define POSITION (((uint64_t)1 << POSITION_BITS) - 1)

/* Where the search for a hash begins, and goes on from there. */
static inline uint64_t *slot_at(const ids *held, uint64_t at) {
    return held->table + (at & (uint64_t)(held->slots - 1));
}

/* The slot of a text, or the empty one where it would be. */
static inline uint64_t *slot_of(const ids *held, const char *part, int64_t size, uint64_t hash) {
    for (uint64_t at = hash;; at++) {
        uint64_t *slot = slot_at(held, at);
        if (!*slot) return slot;
        if ((*slot ^ hash) >> POSITION_BITS) continue;
        const int64_t *bounds = held->bounds + (*slot & POSITION) - 1;
        if (bounds[1] - bounds[0] == size && !memcmp(held->text + bounds[0], part, size))
            return slot;
    }
}

/* Find the positions of `n` parts of a text, -1 for those that are not held. */
void find_ids(const ids *held, const char *text, const int64_t *begins, const int64_t *ends,
              int64_t n, int64_t *found) {
    uint64_t hashes[AT_ONCE];
    for (int64_t first = 0; first < n; first += AT_ONCE) {
        int64_t many = n - first < AT_ONCE ? n - first : AT_ONCE;
        const int64_t *begin = begins + first, *end = ends + first;
        /* Of many patients each is far away in memory: all are fetched before one is needed. */
        for (int64_t i = 0; i < many; i++) {
            hashes[i] = hash_of(text + begin[i], end[i] - begin[i], held->secret);
            __builtin_prefetch(slot_at(held, hashes[i]));
        }
        for (int64_t i = 0; i < many; i++) {
            uint64_t slot = *slot_at(held, hashes[i]);
            if (slot) __builtin_prefetch(held->bounds + (slot & POSITION) - 1);
        }
        for (int64_t i = 0; i < many; i++) {
            uint64_t slot = *slot_at(held, hashes[i]);
            if (slot) __builtin_prefetch(held->text + held->bounds[(slot & POSITION) - 1]);
        }
        for (int64_t i = 0; i < many; i++) {
            int64_t size = end[i] - begin[i];
            uint64_t slot = *slot_of(held, text + begin[i], size, hashes[i]);
            found[first + i] = (int64_t)(slot & POSITION) - 1;
        }
    }
}

/* The same, and hold those that were not: there is room for all of them. */
void add_ids(ids *held, const char *text, const int64_t *begins, const int64_t *ends, int64_t n,
             int64_t *found) {
    for (int64_t i = 0; i < n; i++) {
        int64_t size = ends[i] - begins[i], *bounds = held->bounds + held->count;
        uint64_t hash = hash_of(text + begins[i], size, held->secret);
        uint64_t *slot = slot_of(held, text + begins[i], size, hash);
        if (!*slot) {
            append(held->text + bounds[0], text + begins[i], size);
            bounds[1] = bounds[0] + size;
            *slot = (hash & ~POSITION) | (uint64_t)++held->count;
        }
        found[i] = (int64_t)(*slot & POSITION) - 1;
    }
}

/* Fill the table, which is empty, with those that are held. */
void place_ids(ids *held) {
    for (int64_t i = 0; i < held->count; i++) {
        const char *text = held->text + held->bounds[i];
        int64_t size = held->bounds[i + 1] - held->bounds[i];
        uint64_t hash = hash_of(text, size, held->secret);
        *slot_of(held, text, size, hash) = (hash & ~POSITION) | (uint64_t)(i + 1);
    }
}

/* ---- stream/partitioner.py: the partition of a key ------------------------------------------ */

/* Appleby's MurmurHash2, as in org.apache.kafka.common.utils.Utils. */
static inline uint32_t murmur2(const uint8_t *key, int64_t size) {
    const uint32_t mix = 0x5bd1e995;
    uint32_t hash = 0x9747b28c ^ (uint32_t)size;
    for (; size >= 4; size -= 4, key += 4) {
        uint32_t word = key[0] | key[1] << 8 | key[2] << 16 | (uint32_t)key[3] << 24;
        word *= mix;
        word ^= word >> 24;
        hash = hash * mix ^ word * mix;
    }
    if (size > 2) hash ^= key[2] << 16;
    if (size > 1) hash ^= key[1] << 8;
    if (size > 0) hash = (hash ^ key[0]) * mix;
    hash = (hash ^ hash >> 13) * mix;
    return hash ^ hash >> 15;
}

/* Find the partition, of so many, of `n` keys, which are parts of a text. */
void find_partitions(const char *text, const int64_t *begins, const int64_t *ends, int64_t n,
                     int64_t partitions, int64_t *found) {
    for (int64_t i = 0; i < n; i++) {
        uint32_t hash = murmur2((const uint8_t *)text + begins[i], ends[i] - begins[i]);
        found[i] = (hash & 0x7fffffff) % partitions;
    }
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
