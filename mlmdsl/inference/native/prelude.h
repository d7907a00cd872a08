/* What C's own library lacks: the functions that `operations.py` names. */
#include <math.h>
#include <stdint.h>
#include <string.h>

#if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__) && defined(__GLIBC__)
/* glibc has vector forms of these, to 4 ulp */
__attribute__((simd("notinbranch"))) double exp(double);
__attribute__((simd("notinbranch"))) double log(double);
__attribute__((simd("notinbranch"))) double sin(double);
__attribute__((simd("notinbranch"))) double cos(double);
__attribute__((simd("notinbranch"))) double pow(double, double);
#if __GLIBC_PREREQ(2, 35)
__attribute__((simd("notinbranch"))) double log1p(double);
__attribute__((simd("notinbranch"))) double expm1(double);
__attribute__((simd("notinbranch"))) double tanh(double);
__attribute__((simd("notinbranch"))) double erf(double);
#endif
#endif

typedef void (*kernel)(void *const *in, void *const *out, void *const *constant, char *work);

/* c ? a : b with both computed: what a branch calls is not vectorised */
#define choose(c, a, b) ({ __auto_type yes = (a); __auto_type no = (b); (c) ? yes : no; })

static inline double square(double x) { return x * x; }
static inline double cube(double x) { return x * x * x; }
static inline double sign(double x) { return (x > 0) - (x < 0); }
static inline double fractional(double x) { return x - trunc(x); }
static inline double larger(double a, double b) { return (a > b || a != a) ? a : b; }
static inline double smaller(double a, double b) { return (a < b || a != a) ? a : b; }
static inline double mix(double a, double b, double weight) { return a + weight * (b - a); }
static inline double sigmoid(double x) { return 1 / (1 + exp(-x)); }
static inline double logit(double p) { return log(p / (1 - p)); }
static inline double one_less_square(double y) { return 1 - y * y; }
static inline double logistic_slope(double y) { return y * (1 - y); }
static inline double softplus(double x, double beta, double threshold)
{
    double scaled = x * beta;
    double soft = log1p(exp(scaled)) / beta;
    return scaled > threshold ? x : soft;
}
static inline double softplus_backward(double g, double x, double beta, double threshold)
{
    double scaled = x * beta;
    double slope = g / (1 + exp(-scaled));
    return scaled > threshold ? g : slope;
}
static inline double logaddexp(double a, double b)
{
    double top = larger(a, b), bottom = a + b - top;
    double sum = top + log1p(exp(-fabs(a - b)));
    return isinf(top) || bottom != bottom ? top : sum;
}
static inline double xlogy(double x, double y) { return x == 0 && y == y ? 0 : x * log(y); }
static inline double xlog1py(double x, double y) { return x == 0 && y == y ? 0 : x * log1p(y); }
static inline double remainder_floor(double a, double b)
{
    double r = fmod(a, b);
    return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}
static inline double nan_to_num(double x, double nan, double top, double bottom)
{
    return x != x ? nan : x == INFINITY ? top : x == -INFINITY ? bottom : x;
}

/* exp(x²) erfc(x): the asymptotic series where erfc itself would vanish (Abramowitz & Stegun 7.1.23) */
static double erfcx(double x)
{
    if (x < 20) return exp(x * x) * erfc(x);
    double y = 0.5 / (x * x);
    return (1 - y * (1 - 3 * y * (1 - 5 * y * (1 - 7 * y * (1 - 9 * y))))) / (x * 1.7724538509055160273);
}

/* ψ(x): recurrence up to 10, then the asymptotic series; reflection for x < 0 (Abramowitz & Stegun 6.3) */
static double digamma(double x)
{
    double result = 0;
    if (x <= 0 && x == floor(x)) return x == 0 ? copysign(INFINITY, -x) : NAN;
    if (x < 0) { result = -M_PI / tan(M_PI * x); x = 1 - x; }
    for (; x < 10; x++) result -= 1 / x;
    double y = 1 / (x * x);
    return result + log(x) - 0.5 / x
        - y * (1.0 / 12 - y * (1.0 / 120 - y * (1.0 / 252 - y * (1.0 / 240 - y * (1.0 / 132 - y * (691.0 / 32760 - y / 12))))));
}

/* ψ′(x) in the same way (Abramowitz & Stegun 6.4) */
static double trigamma(double x)
{
    double result = 0, sign = 1;
    if (x < 0.5) { double s = sin(M_PI * x); result = -M_PI * M_PI / (s * s); x = 1 - x; sign = -1; }
    double sum = 0;
    for (; x < 10; x++) sum += 1 / (x * x);
    double y = 1 / (x * x);
    sum += 1 / x + y / 2
        + y / x * (1.0 / 6 - y * (1.0 / 30 - y * (1.0 / 42 - y * (1.0 / 30 - y * (5.0 / 66 - y * (691.0 / 2730 - y * 7.0 / 6))))));
    return sign * (result + sum);
}
