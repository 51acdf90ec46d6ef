/* SPDX-License-Identifier: MIT
 *
 * Standard input must be one JSON object a line. json_lines KEY...: prints the values of these
 * keys, separated by spaces, of each line that has any of them.
 */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print_values(const cJSON *object, int n, char **keys)
{
    int printed = 0;
    for (int i = 0; i < n; i++) {
        const cJSON *value = cJSON_GetObjectItemCaseSensitive(object, keys[i]);
        if (!value)
            continue;
        char *text = cJSON_IsString(value) ? NULL : cJSON_PrintUnformatted(value);
        printf("%s%s", printed++ ? " " : "", text ? text : value->valuestring);
        free(text);
    }
    if (printed)
        printf("\n");
}

int main(int argc, char **argv)
{
    enum { MAX_LINE = 1 << 24 };
    char *line = malloc(MAX_LINE);
    int number = 0;
    while (line && fgets(line, MAX_LINE, stdin)) {
        const char *end = NULL;
        cJSON *object = cJSON_ParseWithOpts(line, &end, 0);
        number++;
        if (!cJSON_IsObject(object) || strcmp(end, "\n") != 0) {
            fprintf(stderr, "json_lines: line %d is not one object\n", number);
            return 1;
        }
        print_values(object, argc - 1, argv + 1);
        cJSON_Delete(object);
    }
    free(line);
    return 0;
}
