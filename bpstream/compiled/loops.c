/* The two loops of the hot path that touch every byte of every message and of every document.
 *
 * No Python in here: the caller (jsonlines.py, fhir/shapes.py) owns all memory, has made room for
 * the most that can be written, and says how long everything is.
 */

#include <stdint.h>
#include <string.h>

/* ---- jsonlines.py: pieces beside each other, line by line -------------------------------- */

typedef struct {
    const char *text;
    int64_t width;  /* of a constant its length; of a column the most that a row has */
    int64_t stride; /* from row to row; 0 for a constant */
} piece;

static inline char *append(char *to, const char *from, int64_t width) {
    /* NumPy pads what is shorter than its column with NUL. */
    if (width <= 16) {
        for (int64_t i = 0; i < width && from[i]; i++) *to++ = from[i];
        return to;
    }
    const char *padding = memchr(from, 0, width);
    int64_t length = padding ? padding - from : width;
    memcpy(to, from, length);
    return to + length;
}

static inline char *append_row(char *to, const piece *pieces, int64_t count, int64_t row) {
    for (const piece *each = pieces; each < pieces + count; each++) {
        if (each->stride) {
            to = append(to, each->text + row * each->stride, each->width);
        } else {
            memcpy(to, each->text, each->width);
            to += each->width;
        }
    }
    return to;
}

/* Write the lines `first` to `last` (not that one) to `out`, and to ends[0 ...] where each ends.
 * Returns how many bytes they take. */
int64_t write_lines(const piece *pieces, int64_t count, int64_t first, int64_t last, char *out,
                    int64_t *ends) {
    char *to = out;
    for (int64_t row = first; row < last; row++) {
        to = append_row(to, pieces, count, row);
        *ends++ = to - out;
    }
    return to - out;
}

/* Write each of `n` rows as an element of a column, of `width`: what is shorter is padded. */
void write_column(const piece *pieces, int64_t count, int64_t n, char *out, int64_t width) {
    for (int64_t row = 0; row < n; row++, out += width) {
        char *end = append_row(out, pieces, count, row);
        memset(end, 0, out + width - end);
    }
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
 * bounds[i] to bounds[i + 1] is message i.  `literal` has the literals one after the other, of
 * `lengths`, one more than there are values.  A text or an id is added to texts[v], with a line's
 * end behind it, and used[v] is how much of that is used; a number is added to numbers[v].
 * fits[i] becomes 1 for each message that was read.  Returns how many. */
int64_t read_shape(const char *text, const int64_t *bounds, int64_t n, const char *literal,
                   const int64_t *lengths, const int8_t *kinds, int64_t values, char *const *texts,
                   int64_t *used, double *const *numbers, uint8_t *fits) {
    int64_t found = 0;
    for (int64_t i = 0; i < n; i++) {
        const char *at = text + bounds[i], *end = text + bounds[i + 1], *wanted = literal;
        const char *begins[MOST_VALUES], *behind[MOST_VALUES];
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
            begins[v] = at;
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
            int64_t length = behind[v] - begins[v];
            memcpy(texts[v] + used[v], begins[v], length);
            used[v] += length;
            texts[v][used[v]++] = '\n';
        }
        found++;
    }
    return found;
}
