/* SPDX-License-Identifier: MIT
 *
 * Data sets of every layout, and everything that can be wrong with them (no device needed). Sound
 * is not opened, so its files hold one byte here.
 *
 * test_dataset [RECORDINGS]
 */
#define _POSIX_C_SOURCE 200809L
#include "tools/evaluation/dataset.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int passed, failed;
static char messages[4096], root[] = "/tmp/test_dataset_XXXXXX";

#define CHECK(ok, ...) check_at(__LINE__, (ok), __VA_ARGS__)

static bool __attribute__((format(printf, 3, 4)))
check_at(int line, bool ok, const char *format, ...)
{
    va_list args;
    if (ok) {
        passed++;
        return true;
    }
    failed++;
    fprintf(stderr, "test_dataset.c:%d: ", line);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "; messages: %s\n", messages);
    return false;
}

static void keep_message(void *user, enum log_level level, const char *message)
{
    (void)user;
    (void)level;
    snprintf(messages, sizeof(messages), "%s", message);
}

static const struct log keeper = {.fn = keep_message};

/* Every set is a directory of its own, made by its first file. */
static const char *in_root(const char *name)
{
    static char paths[4][512];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof(paths[0]), "%s/%s", root, name);
    return path;
}

static void put(const char *name, const char *content)
{
    char path[512];
    snprintf(path, sizeof(path), "%s", in_root(name));
    for (char *slash = path + sizeof(root); (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        mkdir(path, 0700);
        *slash = '/';
    }
    FILE *file = fopen(path, "wb");
    if (!file || fputs(content, file) < 0 || fclose(file)) {
        perror(path);
        exit(1);
    }
}

static bool opens(const char *name, struct dataset *set, size_t n)
{
    messages[0] = '\0';
    enum status status = dataset_open(&keeper, in_root(name), set);
    if (!CHECK(status == OK, "%s: %s", name, status_text(status)))
        return false;
    return CHECK(set->n == n, "%s: %zu utterances, expected %zu", name, set->n, n);
}

static void expect(const struct dataset *set, size_t i, const char *id, const char *path,
                   const char *text)
{
    const struct utterance *item = &set->items[i];
    CHECK(!strcmp(item->id, id) && !strcmp(item->path, in_root(path)) && !strcmp(item->text, text),
          "\"%s\" %s \"%s\"", item->id, item->path, item->text);
}

/* The message holds both. */
static void refuses(const char *name, const char *where, const char *what)
{
    struct dataset set;
    messages[0] = '\0';
    enum status status = dataset_open(&keeper, in_root(name), &set);
    CHECK(status != OK && strstr(messages, where) && strstr(messages, what),
          "%s: %s, expected \"%s\" and \"%s\"", name, status_text(status), where, what);
    if (status == OK)
        dataset_deinit(&set);
}

static void check_pairs(void)
{
    struct dataset set;
    put("pairs/b.wav", "x");
    put("pairs/b.txt", "\xef\xbb\xbf  two\r\nlines \t here\r\n");
    put("pairs/deep/er/a.c.FLAC", "x");
    put("pairs/deep/er/a.c.txt", "caf\xc3\xa9");
    put("pairs/a.ogg", "x");
    put("pairs/a.txt", "");
    put("pairs/.hidden.wav", "x");
    put("pairs/expected.json", "{}");
    if (opens("pairs", &set, 3)) {
        expect(&set, 0, "a", "pairs/a.ogg", "");
        expect(&set, 1, "b", "pairs/b.wav", "two lines here");
        expect(&set, 2, "deep/er/a.c", "pairs/deep/er/a.c.FLAC", "caf\xc3\xa9");
        uint64_t before = dataset_fingerprint(&set);
        dataset_deinit(&set);
        put("pairs/b.wav", "longer");
        CHECK(opens("pairs/", &set, 3) && dataset_fingerprint(&set) != before,
              "another file, the same fingerprint");
        expect(&set, 1, "b", "pairs/b.wav", "two lines here");
        dataset_deinit(&set);
    }
    put("pairs/c.txt", "words");
    refuses("pairs", "pairs/c.txt", "without sound");
    unlink(in_root("pairs/c.txt"));
    put("pairs/d.mp3", "x");
    refuses("pairs", "pairs/d.mp3", "without a transcript");
    unlink(in_root("pairs/d.mp3"));
    put("pairs/b.flac", "x");
    refuses("pairs", "pairs/b.flac and", "two recordings");
    unlink(in_root("pairs/b.flac"));
    put("pairs/\xff.wav", "x");
    put("pairs/\xff.txt", "a name in Latin-1");
    refuses("pairs", "pairs/\xff.txt", "is not UTF-8 cannot be");
    unlink(in_root("pairs/\xff.wav"));
    unlink(in_root("pairs/\xff.txt"));
    put("pairs/b.txt", "fine\nnot \xff fine");
    refuses("pairs", "pairs/b.txt:2", "byte 5 is not UTF-8");
}

static void check_librispeech(void)
{
    struct dataset set;
    put("libri/README.TXT", "not a transcript");
    put("libri/notes.txt", "not one either");
    put("libri/84/121/84-121-0001.flac", "x");
    put("libri/84/121/84-121-0000.flac", "x");
    put("libri/84/121/84-121.trans.txt", "84-121-0000 GO  HOME\r\n84-121-0001\n\n");
    put("libri/9/5/9-5-0000.wav", "x");
    put("libri/9/5/9-5.trans.txt", "9-5-0000 LAST");
    if (opens("libri", &set, 3)) {
        expect(&set, 0, "84-121-0000", "libri/84/121/84-121-0000.flac", "GO HOME");
        expect(&set, 1, "84-121-0001", "libri/84/121/84-121-0001.flac", "");
        expect(&set, 2, "9-5-0000", "libri/9/5/9-5-0000.wav", "LAST");
        dataset_deinit(&set);
    }
    put("libri/84/121/84-121-0002.flac", "x");
    refuses("libri", "84-121-0002.flac", "no line of a *.trans.txt");
    put("libri/84/121/84-121.trans.txt",
        "84-121-0000 A\n84-121-0001 B\n84-121-0002 C\n84-121-3 D\n");
    refuses("libri", "84-121.trans.txt:4", "without sound");
    put("libri/84/121/84-121.trans.txt",
        "84-121-0000 A\n84-121-0001 B\n84-121-0002 C\n84-121-0000 D\n");
    refuses("libri", "\"84-121-0000\"", "there twice");
    put("libri/84/121/84-121.trans.txt", "84-121-0000 A\n84-121-0001 \xc0\n84-121-0002 C\n");
    refuses("libri", "84-121.trans.txt:2", "not UTF-8");
}

static void check_manifest(void)
{
    struct dataset set;
    put("m/sub/z.wav", "x");
    put("m/y.flac", "x");
    put("m/good.jsonl", "{\"audio\": \"sub/z.wav\", \"text\": \" z  z \"}\n\n"
                        "{\"audio_filepath\": \"y.flac\", \"duration\": 1.5, \"offset\": 0, "
                        "\"text\": \"\\u00e9\"}\n"
                        "{\"audio\": \"y.flac\", \"id\": \"again\", \"text\": \"\"}");
    if (opens("m/good.jsonl", &set, 3)) {
        expect(&set, 0, "again", "m/y.flac", "");
        expect(&set, 1, "sub/z.wav", "m/sub/z.wav", "z z");
        expect(&set, 2, "y.flac", "m/y.flac", "\xc3\xa9");
        dataset_deinit(&set);
    }
    static const struct {
        const char *text, *where, *what;
    } bad[] = {
        {"{\"audio\": \"y.flac\", \"text\": \"a\"}\n{\"audio\": ", ":2", "not JSON"},
        {"[]", ":1", "not a JSON object"},
        {"{\"text\": \"a\"}", ":1", "needs either \"audio\""},
        {"{\"audio\": \"y.flac\", \"audio_filepath\": \"y.flac\", \"text\": \"a\"}", ":1",
         "needs either"},
        {"{\"audio\": \"y.flac\"}", ":1", "needs \"text\""},
        {"{\"audio\": \"y.flac\", \"text\": 5}", ":1", "needs \"text\""},
        {"{\"audio\": \"y.flac\", \"text\": \"a\", \"id\": 3}", ":1", "\"id\""},
        {"{\"audio\": \"y.flac\", \"text\": \"a\", \"offset\": 2.5}", ":1", "cut the file"},
        {"{\"audio\": \"y.flac\", \"text\": \"a\", \"text\": \"b\"}", ":1", "there twice"},
        {"{\"audio\": \"y.flac\", \"text\": \"\xff\"}", ":1", "not UTF-8"},
        {"{\"audio\": \"no.wav\", \"text\": \"a\"}", ":1", "m/no.wav"},
        {"{\"audio\": \"y.flac\", \"text\": \"a\"}\n{\"audio\": \"y.flac\", \"text\": \"b\"}",
         "\"y.flac\"", "there twice"},
        {"\n \n", "bad.jsonl", "no utterance"},
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        put("m/bad.jsonl", bad[i].text);
        refuses("m/bad.jsonl", bad[i].where, bad[i].what);
    }
}

static void check_others(const char *recordings)
{
    struct dataset set;
    put("empty/.keep", "");
    refuses("empty", "empty", "no utterance");
    refuses("nowhere", "nowhere", "No such file");
    put("loop/a.wav", "x");
    CHECK(symlink(".", in_root("loop/again")) == 0, "no link");
    refuses("loop", "again/again", "deep");
    put("gone/a.txt", "x");
    CHECK(symlink("nowhere", in_root("gone/a.wav")) == 0, "no link");
    refuses("gone", "gone/a.wav", "No such file");
    if (!recordings)
        return;
    CHECK(dataset_open(&keeper, recordings, &set) == OK && set.n == 24, "%s", recordings);
    CHECK(!strcmp(set.items[23].id, "023"), "\"%s\"", set.items[23].id);
    dataset_deinit(&set);
}

int main(int argc, char **argv)
{
    char command[64];
    if (!mkdtemp(root)) {
        perror(root);
        return 1;
    }
    check_pairs();
    check_librispeech();
    check_manifest();
    check_others(argc > 1 ? argv[1] : NULL);
    snprintf(command, sizeof(command), "rm -rf %s", root);
    CHECK(system(command) == 0, "%s", command);
    printf("test_dataset: %d passed, %d failed\n", passed, failed);
    return failed != 0;
}
