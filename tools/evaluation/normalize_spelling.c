/* SPDX-License-Identifier: MIT
 *
 * British spellings to American ones. Both texts that are compared go through it, so that a rule
 * that is too wide does no harm unless it makes two words the same.
 */
#include <stdio.h>
#include <string.h>

#include "runtime/base.h"
#include "tools/evaluation/normalize_parts.h"

struct spelling {
    const char *british, *american;
};

static const struct spelling whole_words[] = {
    {"accoutrements", "accouterments"},
    {"aeon", "eon"},
    {"aeons", "eons"},
    {"ageing", "aging"},
    {"aluminium", "aluminum"},
    {"appal", "appall"},
    {"appals", "appalls"},
    {"axe", "ax"},
    {"baulk", "balk"},
    {"baulked", "balked"},
    {"baulking", "balking"},
    {"baulks", "balks"},
    {"behove", "behoove"},
    {"behoved", "behooved"},
    {"behoves", "behooves"},
    {"bevvies", "bevies"},
    {"bevvy", "bevy"},
    {"biassed", "biased"},
    {"biassing", "biasing"},
    {"bingeing", "binging"},
    {"busses", "buses"},
    {"bussing", "busing"},
    {"chequered", "checkered"},
    {"chilli", "chili"},
    {"cosier", "cozier"},
    {"cosies", "cozies"},
    {"cosiest", "coziest"},
    {"cosily", "cozily"},
    {"cosiness", "coziness"},
    {"cosy", "cozy"},
    {"disc", "disk"},
    {"discs", "disks"},
    {"distil", "distill"},
    {"distils", "distills"},
    {"enrol", "enroll"},
    {"enrols", "enrolls"},
    {"enthral", "enthrall"},
    {"enthrals", "enthralls"},
    {"fillet", "filet"},
    {"filleted", "fileted"},
    {"filleting", "fileting"},
    {"fillets", "filets"},
    {"flautist", "flutist"},
    {"flautists", "flutists"},
    {"fulfil", "fulfill"},
    {"fulfils", "fulfills"},
    {"gasses", "gases"},
    {"gipsies", "gypsies"},
    {"gipsy", "gypsy"},
    {"glueing", "gluing"},
    {"grey", "gray"},
    {"greyed", "grayed"},
    {"greying", "graying"},
    {"greyness", "grayness"},
    {"greys", "grays"},
    {"groyne", "groin"},
    {"groynes", "groins"},
    {"instal", "install"},
    {"instals", "installs"},
    {"instil", "instill"},
    {"instils", "instills"},
    {"jewellery", "jewelry"},
    {"kerb", "curb"},
    {"kerbs", "curbs"},
    {"licence", "license"},
    {"licenced", "licensed"},
    {"licences", "licenses"},
    {"licencing", "licensing"},
    {"likeable", "likable"},
    {"minibusses", "minibuses"},
    {"misspelt", "misspelled"},
    {"phoney", "phony"},
    {"pouffe", "pouf"},
    {"pouffes", "poufs"},
    {"practise", "practice"},
    {"practised", "practiced"},
    {"practises", "practices"},
    {"practising", "practicing"},
    {"pzazz", "pizzazz"},
    {"sheikh", "sheik"},
    {"smoulder", "smolder"},
    {"smouldered", "smoldered"},
    {"smouldering", "smoldering"},
    {"smoulders", "smolders"},
    {"storey", "story"},
    {"storeys", "stories"},
    {"tonne", "ton"},
    {"tonnes", "tons"},
    {"tyre", "tire"},
    {"tyres", "tires"},
    {"woollen", "woolen"},
    {"woollens", "woolens"},
    {"woollies", "woolies"},
    {"woolly", "wooly"},
    {"worshipped", "worshiped"},
    {"worshipper", "worshiper"},
    {"worshippers", "worshipers"},
    {"worshipping", "worshiping"},
};

/* Anywhere in a word. */
static const struct spelling parts[] = {
    {"acknowledgement", "acknowledgment"},
    {"aeroplan", "airplan"},
    {"aesthet", "esthet"},
    {"aetiol", "etiol"},
    {"almanack", "almanac"},
    {"amoeb", "ameb"},
    {"anaem", "anem"},
    {"anaesth", "anesth"},
    {"arbour", "arbor"},
    {"archaeo", "archeo"},
    {"ardour", "ardor"},
    {"armour", "armor"},
    {"artefact", "artifact"},
    {"bannister", "banister"},
    {"behaviour", "behavior"},
    {"bougainvillaea", "bougainvillea"},
    {"caesarean", "cesarean"},
    {"calliper", "caliper"},
    {"callisthen", "calisthen"},
    {"candour", "candor"},
    {"carburett", "carburet"},
    {"centrefold", "centerfold"},
    {"centrepiece", "centerpiece"},
    {"cheque", "check"},
    {"chimaera", "chimera"},
    {"clamour", "clamor"},
    {"clangour", "clangor"},
    {"clarinettist", "clarinetist"},
    {"colour", "color"},
    {"connexion", "connection"},
    {"copoeia", "copeia"},
    {"cypher", "cipher"},
    {"demeanour", "demeanor"},
    {"draught", "draft"},
    {"edoem", "edem"},
    {"enamour", "enamor"},
    {"encyclopaed", "encycloped"},
    {"endeavour", "endeavor"},
    {"enrolment", "enrollment"},
    {"epaulette", "epaulet"},
    {"faec", "fec"},
    {"favour", "favor"},
    {"fervour", "fervor"},
    {"fibreglass", "fiberglass"},
    {"flavour", "flavor"},
    {"foet", "fet"},
    {"fulfilment", "fulfillment"},
    {"gaol", "jail"},
    {"greyish", "grayish"},
    {"gryphon", "griffin"},
    {"gynaec", "gynec"},
    {"haem", "hem"},
    {"harbour", "harbor"},
    {"homoeo", "homeo"},
    {"honour", "honor"},
    {"humour", "humor"},
    {"inflexion", "inflection"},
    {"instalment", "installment"},
    {"jeweller", "jeweler"},
    {"judgement", "judgment"},
    {"labour", "labor"},
    {"leukaem", "leukem"},
    {"libellous", "libelous"},
    {"manoeuvrab", "maneuverab"},
    {"marvellous", "marvelous"},
    {"mediaev", "mediev"},
    {"mould", "mold"},
    {"moult", "molt"},
    {"moustach", "mustach"},
    {"neighbour", "neighbor"},
    {"odour", "odor"},
    {"oedem", "edem"},
    {"oesoph", "esoph"},
    {"oestrog", "estrog"},
    {"omelette", "omelet"},
    {"orthopaed", "orthoped"},
    {"paedera", "pedera"},
    {"paediat", "pediat"},
    {"paedo", "pedo"},
    {"palaeo", "paleo"},
    {"parlour", "parlor"},
    {"plough", "plow"},
    {"praesid", "presid"},
    {"primaev", "primev"},
    {"pyjama", "pajama"},
    {"rancour", "rancor"},
    {"rigour", "rigor"},
    {"rrhoea", "rrhea"},
    {"rumour", "rumor"},
    {"saviour", "savior"},
    {"savour", "savor"},
    {"sceptic", "skeptic"},
    {"skilful", "skillful"},
    {"splendour", "splendor"},
    {"succour", "succor"},
    {"sulph", "sulf"},
    {"syphon", "siphon"},
    {"theatregoer", "theatergoer"},
    {"toxaem", "toxem"},
    {"tranquilli", "tranquili"},
    {"tumour", "tumor"},
    {"valour", "valor"},
    {"vapour", "vapor"},
    {"videodisc", "videodisk"},
    {"vigour", "vigor"},
    {"waggon", "wagon"},
    {"wilful", "willful"},
    {"yoghourt", "yogurt"},
    {"yoghurt", "yogurt"},
};

static const struct spelling word_ends[] = {
    {"analogue", "analog"},
    {"analogues", "analogs"},
    {"calibre", "caliber"},
    {"calibres", "calibers"},
    {"catalogue", "catalog"},
    {"catalogued", "cataloged"},
    {"catalogues", "catalogs"},
    {"cataloguing", "cataloging"},
    {"centre", "center"},
    {"centred", "centered"},
    {"centres", "centers"},
    {"centring", "centering"},
    {"defence", "defense"},
    {"defenceless", "defenseless"},
    {"defences", "defenses"},
    {"dialogue", "dialog"},
    {"dialogues", "dialogs"},
    {"epilogue", "epilog"},
    {"epilogues", "epilogs"},
    {"fibre", "fiber"},
    {"fibres", "fibers"},
    {"goitre", "goiter"},
    {"goitres", "goiters"},
    {"gramme", "gram"},
    {"grammes", "grams"},
    {"litre", "liter"},
    {"litres", "liters"},
    {"louvre", "louver"},
    {"louvred", "louvered"},
    {"louvres", "louvers"},
    {"lustre", "luster"},
    {"lustred", "lustered"},
    {"lustres", "lusters"},
    {"manoeuvre", "maneuver"},
    {"manoeuvred", "maneuvered"},
    {"manoeuvres", "maneuvers"},
    {"manoeuvring", "maneuvering"},
    {"manoeuvrings", "maneuverings"},
    {"meagre", "meager"},
    {"meagres", "meagers"},
    {"metre", "meter"},
    {"metred", "metered"},
    {"metres", "meters"},
    {"mitre", "miter"},
    {"mitred", "mitered"},
    {"mitres", "miters"},
    {"monologue", "monolog"},
    {"monologues", "monologs"},
    {"offence", "offense"},
    {"offences", "offenses"},
    {"philtre", "filter"},
    {"philtres", "filters"},
    {"pretence", "pretense"},
    {"pretences", "pretenses"},
    {"prologue", "prolog"},
    {"prologues", "prologs"},
    {"reconnoitre", "reconnoiter"},
    {"reconnoitred", "reconnoitered"},
    {"reconnoitres", "reconnoiters"},
    {"reconnoitring", "reconnoitering"},
    {"sabre", "saber"},
    {"sabres", "sabers"},
    {"saltpetre", "saltpeter"},
    {"saltpetres", "saltpeters"},
    {"sceptre", "scepter"},
    {"sceptres", "scepters"},
    {"sepulchre", "sepulcher"},
    {"sepulchres", "sepulchers"},
    {"sombre", "somber"},
    {"sombres", "sombers"},
    {"spectre", "specter"},
    {"spectres", "specters"},
    {"theatre", "theater"},
    {"theatres", "theaters"},
};

/* Verbs whose l is not doubled before an ending, also with something before them. */
static const char *const single_l[] = {
    "apparel", "barrel",  "bedevil", "bevel",    "cancel",  "carol",  "cavil",      "channel",
    "chisel",  "council", "counsel", "cruel",    "cudgel",  "dial",   "disembowel", "dishevel",
    "drivel",  "duel",    "enamel",  "equal",    "fuel",    "funnel", "gambol",     "grovel",
    "gruel",   "initial", "jewel",   "label",    "level",   "libel",  "marshal",    "marvel",
    "medal",   "metal",   "model",   "panel",    "parcel",  "pedal",  "pencil",     "peril",
    "pummel",  "quarrel", "ravel",   "revel",    "rival",   "shovel", "shrivel",    "signal",
    "snivel",  "snorkel", "spiral",  "squirrel", "stencil", "swivel", "tassel",     "total",
    "towel",   "trammel", "trial",   "tunnel",   "weasel",  "yodel",
};

static const char *const l_endings[] = {"ed", "ing", "ingly", "er",   "ers",
                                        "or", "ors", "ist",   "ists", "est"};

/* What stands before -ise in words that have an s everywhere. */
static const char *const always_s[] = {
    "adv",   "advert",   "appr",     "chast", "circumc", "compr",  "comprom",  "dem",    "desp",
    "dev",   "disgu",    "enterpr",  "exc",   "exerc",   "expert", "franch",   "improv", "inc",
    "mant",  "merchand", "metropol", "moonr", "parad",   "pelv",   "portcull", "pra",    "prac",
    "pract", "prec",     "prem",     "prom",  "repr",    "rev",    "sunr",     "superv", "surm",
    "surpr", "telev",    "treat",    "trell", "turqu",
};

static const struct spelling s_endings[] = {
    {"ise", "ize"},
    {"ised", "ized"},
    {"ises", "izes"},
    {"iser", "izer"},
    {"isers", "izers"},
    {"ising", "izing"},
    {"isingly", "izingly"},
    {"isable", "izable"},
    {"isably", "izably"},
    {"isation", "ization"},
    {"isations", "izations"},
    {"isance", "izance"},
    {"isational", "izational"},
};

enum { SHORTEST_STEM = 3 };

static bool ends_with(const char *word, size_t length, const char *ending)
{
    const size_t n = strlen(ending);
    return n <= length && memcmp(word + length - n, ending, n) == 0;
}

/* Puts `with` in the place of n bytes at `at`. */
static bool put(const char *word, size_t at, size_t n, const char *with, char out[SPELLING_MAX])
{
    const int length = snprintf(out, SPELLING_MAX, "%.*s%s%s", (int)at, word, with, word + at + n);
    return length > 0 && length < SPELLING_MAX;
}

static bool replace_listed(const char *word, size_t length, char out[SPELLING_MAX])
{
    for (size_t i = 0; i < COUNT_OF(whole_words); i++)
        if (strcmp(word, whole_words[i].british) == 0)
            return put(word, 0, length, whole_words[i].american, out);
    for (size_t i = 0; i < COUNT_OF(word_ends); i++) {
        const size_t n = strlen(word_ends[i].british);
        if (ends_with(word, length, word_ends[i].british))
            return put(word, length - n, n, word_ends[i].american, out);
    }
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        const char *at = strstr(word, parts[i].british);
        if (at)
            return put(word, (size_t)(at - word), strlen(parts[i].british), parts[i].american, out);
    }
    return false;
}

static bool drop_l(const char *word, size_t length, char out[SPELLING_MAX])
{
    for (size_t i = 0; i < COUNT_OF(l_endings); i++) {
        const size_t n = strlen(l_endings[i]);
        if (length < n + 2 || !ends_with(word, length, l_endings[i]) || word[length - n - 1] != 'l')
            continue;
        for (size_t k = 0; k < COUNT_OF(single_l); k++)
            if (ends_with(word, length - n - 1, single_l[k]))
                return put(word, length - n - 1, 1, "", out);
    }
    return false;
}

static bool is_vowel(char c)
{
    return strchr("aeiou", c) != NULL;
}

/* -wise and -rise as in likewise and sunrise, -oise and -uise as in noise and bruise. */
static bool keeps_s(const char *word, size_t stem)
{
    if (stem < SHORTEST_STEM || is_vowel(word[stem - 1]) || word[stem - 1] == 'w')
        return true;
    for (size_t i = 0; i < COUNT_OF(always_s); i++)
        if (strlen(always_s[i]) <= stem && ends_with(word, stem, always_s[i]))
            return true;
    return false;
}

/* analyse, paralyse, catalyse */
static bool replace_lyse(const char *word, size_t length, char out[SPELLING_MAX])
{
    static const char *const endings[] = {"lyse", "lysed", "lyses", "lyser", "lysers", "lysing"};
    for (size_t i = 0; i < COUNT_OF(endings); i++)
        if (ends_with(word, length, endings[i]))
            return put(word, length - strlen(endings[i]) + 2, 1, "z", out);
    return false;
}

static bool replace_s(const char *word, size_t length, char out[SPELLING_MAX])
{
    for (size_t i = 0; i < COUNT_OF(s_endings); i++) {
        const size_t n = strlen(s_endings[i].british);
        if (ends_with(word, length, s_endings[i].british) && !keeps_s(word, length - n))
            return put(word, length - n, n, s_endings[i].american, out);
    }
    return false;
}

bool spelling_american(const char *word, char out[SPELLING_MAX])
{
    char listed[SPELLING_MAX];
    const bool changed = replace_listed(word, strlen(word), listed);
    const char *at = changed ? listed : word;
    const size_t length = strlen(at);
    if (drop_l(at, length, out) || replace_lyse(at, length, out) || replace_s(at, length, out))
        return true;
    if (changed)
        memcpy(out, listed, sizeof(listed));
    return changed;
}
