/* SPDX-License-Identifier: MIT
 *
 * Known texts and what each way of normalizing makes of them (no device needed).
 */
#include "tools/evaluation/normalize.h"

#include <stdio.h>
#include <string.h>

#include "runtime/base.h"

struct pair {
    const char *text, *want;
};

static int passed, failed;

/* What Whisper's EnglishTextNormalizer gives (openai-whisper of June 2025), trimmed. */
static const struct pair whisper[] = {
    {"Well, I've got twenty-five dollars and seven cents!", "well i have got $25.07"},
    {"two and a half million people", "2500000 people"},
    {"Mr. Smith won't go to St. James's; it 's Dr. Jones's turn.",
     "mister smith will not go to saint james is it is doctor jones is turn"},
    {"one oh one", "101"},
    {"one hundred and one", "101"},
    {"nineteen eighty four", "1984"},
    {"twenty twenty", "2020"},
    {"the year two thousand and five", "the year 2005"},
    {"three point one four one five nine", "3.14159"},
    {"double seven triple zero", "77000"},
    {"twenty first of May, the 3 rd, 1960s, 2nd", "21st of may the 3rd 1960s 2nd"},
    {"minus five degrees, plus two", "-5 degrees +2"},
    {"fifty percent of 20% and 5 per cent", "50% of 20% and 5%"},
    {"It's $1.50 or $0.05 or $3 and 7 cents", "it is one.50 or ¢5 or $3.07"},
    {"He's been; they'd done it; I'm gonna, they woulda",
     "he has been they had done it i am going to they would have"},
    {"[noise] hello (laughs) <unk> world () x", "hello world x"},
    {"Hmm um uh mhm mm mmm okay", "okay"},
    {"naïve café Œuvre straße ø Æsir", "naive cafe oeuvre strasse 0 aesir"},
    {"don't can't ain't y'all I'ma let's", "do not can not aint you all i am going to let us"},
    {"The colour of the theatre's catalogue was analysed by travelled organisers",
     "the color of the theater is catalog was analyzed by traveled organizers"},
    {"1,000,000 10,5 100,000 dollars", "1000000 105 $100000"},
    {"I.B.M. e.g. 3.5. 192.168.0.1", "i b m e g 3.5 192.168.0 one"},
    {"sixty-sixth hundredth fourths twelfth thirties", "66th 100th fourths 12th 30s"},
    {"two hundred thousand and six", "200006"},
    {"one thousand two hundred and thirty four point five", "1234.5"},
    {"five hundred twenty third street", "523rd street"},
    {"seven eleven", "711"},
    {"twenty one twenty two", "2122"},
    {"the first one's ones", "the 1st one is ones"},
    {"4th of July 5 s 7th", "4th of july 5s 7th"},
    {"£5 €10 ¢25 off", "£5 €10.25 off"},
    {"50 cents one dollar", "¢50 one"},
    {"zero point five", "0.5"},
    {"the second and the third", "the 2nd and the 3rd"},
    {"point blank", "point blank"},
    {"A.M. p.m. U.S.A.", "a m p m u s a"},
    {"co-operate well-being", "co operate well being"},
    {"E=mc² ½ №5", "e mc 2 one 2 No 5"},
    {"Ünïcödé ＦＵＬＬ", "unicode full"},
    {"hello  \t world", "hello world"},
    {"abc123def 20mm", "abc 123 def 20 mm"},
    {"1 1s 21 1.5 $1", "one ones 21 one.5 one"},
    {"we're he'd she'll they've", "we are he would she will they have"},
    {"nine million nine hundred ninety nine thousand nine hundred ninety nine", "9999999"},
    {"one trillion", "1000000000000"},
    {"3.5 million 2.25 thousand 1.2345 thousand", "3500000 2250 one.2345 1000"},
    {"007 0 00 0 million", "7 0 0 0"},
    {"1.2.3 4.5.6 million", "one.2.3 4.5.6 1000000"},
    {"seven hundred and", "700 and"},
    {"one and a half", "one.5"},
    {"eight and twenty", "8 and 20"},
    {"fifteen hundred", "1500"},
    {"nineteen oh five", "1905"},
    {"minus one point five", "-one.5"},
    {"double or nothing", "double or nothing"},
    {"triple ten", "101010"},
};

/* Where it differs, as docs/evaluation.md says. */
static const struct pair own[] = {
    {"She’d been there", "she had been there"},
    {"the ninth", "the 9th"},
    {"ten dollars. 5¢", "$10 5"},
    {"$ 5 and 10 %", "$5 and 10%"},
    {"point the hundred", "point the 100"},
    {"the point hundred", "the point 100"},
    {"and a half of it", "and a half of it"},
    {"Wait... what?..", "wait what"},
    {"zero dollars twelve", "$0 12"},
    {"% of it", "of it"},
    {"one sextillion", "one sextillion"},
    {"", ""},
};

/* Whisper's BasicTextNormalizer. */
static const struct pair basic[] = {
    {"Hello, World! It's  me.", "hello world it s me"},
    {"[noise] Hé (laughs) <unk> l'été", "hé l été"},
    {"E=mc² ＦＵＬＬ", "e mc2 full"},
    {"naïve café — straße", "naïve café straße"},
    {"1,000.5 twenty-one", "1 000 5 twenty one"},
    {"日本語、テスト。", "日本語 テスト"},
    {"ÀÉÎ Ω Σ", "àéî ω σ"},
};

static const struct pair none[] = {
    {" As  it\tis, [here]\n", "As it is, [here]"},
    {"", ""},
    {"a\xff", "a\xef\xbf\xbd"},
    {"caf\xc3\xa9 \xe2\x80\x83x", "caf\xc3\xa9 x"},
};

static void check(enum normalize how, const struct pair *pairs, size_t n)
{
    struct text text = {0};
    for (size_t i = 0; i < n; i++) {
        const bool ok = normalize_text(how, pairs[i].text, &text);
        const char *got = text.bytes ? text.bytes : "";
        if (ok && strcmp(got, pairs[i].want) == 0) {
            passed++;
            continue;
        }
        failed++;
        fprintf(stderr, "%s: \"%s\" became \"%s\", expected \"%s\"\n", normalize_choices[how],
                pairs[i].text, got, pairs[i].want);
    }
    text_deinit(&text);
}

/* What is normal stays as it is. */
static void check_again(enum normalize how, const struct pair *pairs, size_t n)
{
    struct text once = {0}, twice = {0};
    for (size_t i = 0; i < n; i++) {
        if (normalize_text(how, pairs[i].text, &once) && once.bytes &&
            normalize_text(how, once.bytes, &twice) && twice.bytes &&
            strcmp(once.bytes, twice.bytes) != 0) {
            failed++;
            fprintf(stderr, "%s: \"%s\" became \"%s\" the second time\n", normalize_choices[how],
                    once.bytes, twice.bytes);
        } else {
            passed++;
        }
    }
    text_deinit(&once);
    text_deinit(&twice);
}

int main(void)
{
    check(NORMALIZE_ENGLISH, whisper, COUNT_OF(whisper));
    check(NORMALIZE_ENGLISH, own, COUNT_OF(own));
    check(NORMALIZE_BASIC, basic, COUNT_OF(basic));
    check(NORMALIZE_NONE, none, COUNT_OF(none));
    check_again(NORMALIZE_BASIC, basic, COUNT_OF(basic));
    check_again(NORMALIZE_NONE, none, COUNT_OF(none));
    printf("test_normalize: %d passed, %d failed\n", passed, failed);
    return failed != 0;
}
