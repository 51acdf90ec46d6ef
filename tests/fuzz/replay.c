/* SPDX-License-Identifier: MIT
 *
 * Plays files, or all files of directories, as libFuzzer would: what was found once stays found.
 */
#define _XOPEN_SOURCE 700

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "loader/file.h"
#include "tests/fuzz/fuzz.h"

static int played;

static bool play_file(const char *path)
{
    char *bytes;
    size_t size;
    if (file_load(NULL, path, 1 << 24, &bytes, &size)) {
        fprintf(stderr, "%s: cannot be read\n", path);
        return false;
    }
    fprintf(stderr, "%s\n", path);
    LLVMFuzzerTestOneInput((const uint8_t *)bytes, size);
    free(bytes);
    played++;
    return true;
}

static bool play_directory(const char *path)
{
    DIR *directory = opendir(path);
    const struct dirent *entry;
    bool good = directory != NULL;
    while (good && (entry = readdir(directory))) {
        char *file = path_join(path, entry->d_name);
        good = file && (path_is_directory(file) || play_file(file));
        free(file);
    }
    if (directory)
        closedir(directory);
    return good;
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (!(path_is_directory(argv[i]) ? play_directory(argv[i]) : play_file(argv[i])))
            return EXIT_FAILURE;
    printf("%d files\n", played);
    return played ? EXIT_SUCCESS : EXIT_FAILURE;
}
