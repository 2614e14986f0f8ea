/* What the public OpenMMLab libraries have: their components' names, whether they are
 * built here or not. catalogue.txt is written by tools/catalogue/make.py and compiled
 * in; nothing is read or sorted at start. */
#ifndef REGISTRY_CATALOGUE_H
#define REGISTRY_CATALOGUE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/suggest.h"

/* One line; all texts are static. */
struct mmi_known {
    const char *name;     /* as configs write it: "ResNet", "BN" */
    const char *registry; /* "models"; "-": only a path names it */
    const char *scope;    /* "mmdet"; "mmengine" is the root */
    const char *module;   /* ".models.backbones.resnet": below the scope's package */
    const char *cls;      /* the class if its name is another one, else "" */
};

/* A library whose names are here. */
struct mmi_library {
    const char *package;      /* "mmdet" */
    const char *version;      /* that was read */
    const char *distribution; /* "mmdetection" */
};

/* The best line for a `type`, or false. `registry` NULL: any. Looks as MMEngine does:
 * the scope, then the root; "scope.Name"; a class path, whose registry is not asked
 * for. */
bool mmi_catalogue_find(const char *registry, const char *scope, const char *type,
                        struct mmi_known *out);
/* A line of that very name in another registry or scope, preferably of this registry,
 * then of this scope. */
bool mmi_catalogue_elsewhere(const char *registry, const char *scope, const char *name,
                             struct mmi_known *out);
/* True unless a class path names a module that its library does not have. Packages that
 * are not listed may have any. */
bool mmi_catalogue_has_module_of(const char *path);
/* Offers the packages of libraries. */
void mmi_catalogue_suggest_library(mmi_suggest *suggest);
/* Calls `visit` with the scope of each line of that name that a registry has. */
void mmi_catalogue_scopes(const char *name,
                          void (*visit)(void *user, const char *scope), void *user);
/* The package a component comes from: "mmdet", "torch". */
void mmi_catalogue_package(const struct mmi_known *known, char *out, size_t out_size);
/* The library of a package, or false. */
bool mmi_catalogue_library(const char *package, struct mmi_library *out);
/* Offers the names that a place can see. */
void mmi_catalogue_suggest(mmi_suggest *suggest, const char *registry,
                           const char *scope);

#endif
