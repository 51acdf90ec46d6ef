/* SPDX-License-Identifier: MIT */
#include "tools/roofline.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base.h"

enum {
    LEFT = 80, /* of the plot's area, and so on */
    TOP = 64,
    WIDTH = 620,
    LEAST_HEIGHT = 460,
    LIST_GAP = 28,
    LIST_WIDTH = 560,
    LINE = 17, /* of the list */
    SHAPE_LENGTH = 64,
    BELOW = 64,
    RADIUS = 5,
    LABEL_HEIGHT = 12,
    DIGIT_WIDTH = 7,
};

/* Readable on white and on black. */
static const char *const colours[] = {"#2f6fb5", "#c2571a", "#2b8a4b", "#a03fa8",
                                      "#b8860b", "#c0392b", "#16858c", "#6b7280"};

struct box {
    double left, top, right, bottom;
};

struct axes {
    double x0, x1, y0, y1; /* powers of ten */
    int height;
};

static double x_of(const struct axes *a, double value)
{
    return LEFT + (log10(value) - a->x0) / (a->x1 - a->x0) * WIDTH;
}

static double y_of(const struct axes *a, double value)
{
    return TOP + a->height - (log10(value) - a->y0) / (a->y1 - a->y0) * a->height;
}

static void add_xml(struct text *out, const char *string)
{
    for (const char *c = string; *c; c++)
        switch (*c) {
        case '&': text_add(out, "&amp;"); break;
        case '<': text_add(out, "&lt;"); break;
        case '>': text_add(out, "&gt;"); break;
        case '"': text_add(out, "&quot;"); break;
        default: text_addf(out, "%c", (unsigned char)*c < ' ' ? ' ' : *c);
        }
}

static bool same_family(const struct roofline_point *a, const struct roofline_point *b)
{
    const size_t n = strcspn(a->kernel, "_");
    return strcspn(b->kernel, "_") == n && !strncmp(a->kernel, b->kernel, n);
}

/* A family of kernels, as matmul_*, has one colour; families take them in turn. */
static const char *colour_of(const struct roofline *plot, int point)
{
    int family = 0;
    for (int i = 0; i < plot->n_points; i++) {
        if (same_family(&plot->points[i], &plot->points[point]))
            break;
        bool first = true;
        for (int k = 0; k < i && first; k++)
            first = !same_family(&plot->points[i], &plot->points[k]);
        family += first;
    }
    return colours[family % (int)COUNT_OF(colours)];
}

static struct axes fit(const struct roofline *plot, int height)
{
    const double ridge = plot->fma_gflop_per_s / plot->copy_gb_per_s;
    double x0 = ridge / 4, x1 = ridge * 4, y0 = plot->fma_gflop_per_s, y1 = y0 * 1.5;
    for (int i = 0; i < plot->n_points; i++) {
        x0 = MIN(x0, plot->points[i].flop_per_byte);
        x1 = MAX(x1, plot->points[i].flop_per_byte);
        y0 = MIN(y0, plot->points[i].gflop_per_s);
        y1 = MAX(y1, plot->points[i].gflop_per_s);
    }
    return (struct axes){floor(log10(x0 * 0.7)), ceil(log10(x1 * 1.4)), floor(log10(y0 * 0.7)),
                         ceil(log10(y1)), height};
}

static void add_grid(struct text *out, const struct axes *a)
{
    for (int i = (int)a->x0; i <= (int)a->x1; i++) {
        const double x = x_of(a, pow(10, i));
        text_addf(out,
                  "<line class=\"grid\" stroke=\"#dddddd\" x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" "
                  "y2=\"%d\"/>\n<text class=\"ink\" fill=\"#222222\" text-anchor=\"middle\" "
                  "x=\"%.1f\" y=\"%d\">%g</text>\n",
                  x, TOP, x, TOP + a->height, x, TOP + a->height + 18, pow(10, i));
    }
    for (int i = (int)a->y0; i <= (int)a->y1; i++) {
        const double y = y_of(a, pow(10, i));
        text_addf(out,
                  "<line class=\"grid\" stroke=\"#dddddd\" x1=\"%d\" y1=\"%.1f\" x2=\"%d\" "
                  "y2=\"%.1f\"/>\n<text class=\"ink\" fill=\"#222222\" text-anchor=\"end\" "
                  "x=\"%d\" y=\"%.1f\">%g</text>\n",
                  LEFT, y, LEFT + WIDTH, y, LEFT - 8, y + 4, pow(10, i));
    }
    text_addf(out,
              "<text class=\"ink\" fill=\"#222222\" text-anchor=\"middle\" x=\"%d\" y=\"%d\">"
              "FLOP per byte</text>\n<text class=\"ink\" fill=\"#222222\" text-anchor=\"middle\" "
              "transform=\"translate(22 %d) rotate(-90)\">GFLOP/s</text>\n",
              LEFT + WIDTH / 2, TOP + a->height + 42, TOP + a->height / 2);
}

static void add_roofs(struct text *out, const struct axes *a, const struct roofline *plot)
{
    const double copy = plot->copy_gb_per_s, fma = plot->fma_gflop_per_s;
    /* the slope begins at the left edge, or at the bottom where it meets that first */
    const double from = MAX(pow(10, a->x0), pow(10, a->y0) / copy);
    const double x = x_of(a, from), y = y_of(a, from * copy);
    const double ridge_x = x_of(a, fma / copy), roof_y = y_of(a, fma);
    const double angle = atan2(roof_y - y, ridge_x - x) * 180 / 3.14159265358979;
    const double middle_x = (x + ridge_x) / 2, middle_y = (y + roof_y) / 2;
    text_addf(out,
              "<polyline class=\"roof\" fill=\"none\" stroke=\"#222222\" stroke-width=\"2\" "
              "points=\"%.1f,%.1f %.1f,%.1f %d,%.1f\"/>\n",
              x, y, ridge_x, roof_y, LEFT + WIDTH, roof_y);
    text_addf(out,
              "<text class=\"ink\" fill=\"#222222\" text-anchor=\"middle\" "
              "transform=\"translate(%.1f %.1f) rotate(%.1f) translate(0 -7)\">copy %.4g "
              "GB/s</text>\n",
              middle_x, middle_y, angle, copy);
    text_addf(out,
              "<text class=\"ink\" fill=\"#222222\" text-anchor=\"end\" x=\"%d\" y=\"%.1f\">fma "
              "%.4g GFLOP/s</text>\n",
              LEFT + WIDTH - 4, roof_y - 7, fma);
}

static bool overlap(const struct box *a, const struct box *b)
{
    return a->left < b->right && b->left < a->right && a->top < b->bottom && b->top < a->bottom;
}

/* The place around a point, near ones first, that covers the least of what is there already. */
static struct box place_label(const struct box *taken, int n_taken, double x, double y,
                              double width)
{
    struct box best = {0};
    int least = n_taken + 1;
    for (int step = 0; step < 40 && least; step++) {
        const double angle = (step % 8) * 0.785398, reach = RADIUS + 3 + 9 * (step / 8);
        const double cx = x + cos(angle) * (reach + width / 2);
        const double cy = y - sin(angle) * (reach + LABEL_HEIGHT / 2.0);
        const struct box box = {cx - width / 2, cy - LABEL_HEIGHT / 2.0, cx + width / 2,
                                cy + LABEL_HEIGHT / 2.0};
        int covered = 0;
        for (int i = 0; i < n_taken; i++)
            covered += overlap(&box, &taken[i]);
        if (covered < least) {
            least = covered;
            best = box;
        }
    }
    return best;
}

static void add_point(struct text *out, const struct axes *a, const struct roofline *plot, int i,
                      struct box *taken, int *n_taken)
{
    const struct roofline_point *p = &plot->points[i];
    const char *colour = colour_of(plot, i);
    const double x = x_of(a, p->flop_per_byte), y = y_of(a, p->gflop_per_s);
    const int digits = i >= 99 ? 3 : i >= 9 ? 2 : 1;
    const struct box label = place_label(taken, *n_taken, x, y, digits * DIGIT_WIDTH);
    const double cx = (label.left + label.right) / 2, cy = (label.top + label.bottom) / 2;
    taken[(*n_taken)++] = label;
    if (hypot(cx - x, cy - y) > 2 * RADIUS + LABEL_HEIGHT)
        text_addf(out,
                  "<line stroke=\"%s\" stroke-width=\"0.6\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" "
                  "y2=\"%.1f\"/>\n",
                  colour, x, y, cx, cy);
    text_addf(out, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"%d\" fill=\"%s\"><title>", x, y, RADIUS,
              colour);
    add_xml(out, p->kernel);
    text_add(out, ", ");
    add_xml(out, p->shape);
    text_addf(out,
              "</title></circle>\n<text class=\"ink\" fill=\"#222222\" font-size=\"11\" "
              "text-anchor=\"middle\" x=\"%.1f\" y=\"%.1f\">%d</text>\n",
              cx, cy + 4, i + 1);
}

static void add_list_line(struct text *out, const struct roofline *plot, int i)
{
    const struct roofline_point *p = &plot->points[i];
    const int x = LEFT + WIDTH + LIST_GAP, y = TOP + 8 + i * LINE;
    const double us = p->median_ns / 1e3;
    char shape[SHAPE_LENGTH + 1];
    text_addf(out,
              "<text class=\"ink\" fill=\"#222222\" font-size=\"11\" text-anchor=\"end\" x=\"%d\" "
              "y=\"%d\">%d</text>\n<circle cx=\"%d\" cy=\"%d\" r=\"4\" fill=\"%s\"/>\n"
              "<text class=\"ink\" fill=\"#222222\" font-size=\"11\" x=\"%d\" y=\"%d\">",
              x + 16, y, i + 1, x + 26, y - 4, colour_of(plot, i), x + 36, y);
    add_xml(out, p->kernel);
    text_add(out, " ");
    add_xml(out, p->variant);
    text_addf(out, us < 1000 ? ", %.1f us: " : ", %.2f ms: ", us < 1000 ? us : us / 1000);
    snprintf(shape, sizeof(shape), "%s", p->shape);
    add_xml(out, shape);
    text_add(out, strlen(p->shape) > SHAPE_LENGTH ? "...</text>\n" : "</text>\n");
}

static void add_head(struct text *out, const struct roofline *plot, int height)
{
    const int width = LEFT + WIDTH + LIST_GAP + LIST_WIDTH;
    text_addf(out,
              "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
              "viewBox=\"0 0 %d %d\" font-family=\"sans-serif\" font-size=\"12\">\n"
              "<style>@media (prefers-color-scheme: dark) { .paper { fill: #16181c; } .ink { fill: "
              "#e4e6ea; } .grid { stroke: #3a3e46; } .roof { stroke: #e4e6ea; } }</style>\n"
              "<rect class=\"paper\" fill=\"#ffffff\" width=\"%d\" height=\"%d\"/>\n"
              "<text class=\"ink\" fill=\"#222222\" font-size=\"17\" x=\"%d\" y=\"28\">",
              width, height, width, height, width, height, LEFT);
    text_add(out, "stapes kernels on ");
    add_xml(out, plot->device);
    text_addf(out,
              "</text>\n<text class=\"ink\" fill=\"#222222\" x=\"%d\" y=\"48\">The best form of "
              "each kernel and shape, under what the device was measured to do",
              LEFT);
    if (plot->n_left_out)
        text_addf(out, "; %d without arithmetic are left out", plot->n_left_out);
    text_add(out, ".</text>\n");
}

void roofline_write(const struct roofline *plot, struct text *out)
{
    const int height = MAX(LEAST_HEIGHT, plot->n_points * LINE - BELOW + 24);
    const struct axes axes = fit(plot, height);
    struct box *taken = calloc(2 * (size_t)plot->n_points + 1, sizeof(*taken));
    int n_taken = 0;
    if (!taken) {
        out->failed = true;
        return;
    }
    for (int i = 0; i < plot->n_points; i++) {
        const double x = x_of(&axes, plot->points[i].flop_per_byte);
        const double y = y_of(&axes, plot->points[i].gflop_per_s);
        taken[n_taken++] = (struct box){x - RADIUS, y - RADIUS, x + RADIUS, y + RADIUS};
    }
    add_head(out, plot, TOP + height + BELOW);
    add_grid(out, &axes);
    add_roofs(out, &axes, plot);
    for (int i = 0; i < plot->n_points; i++)
        add_point(out, &axes, plot, i, taken, &n_taken);
    for (int i = 0; i < plot->n_points; i++)
        add_list_line(out, plot, i);
    text_add(out, "</svg>\n");
    free(taken);
}
