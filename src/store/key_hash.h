/*
 * key_hash.h
 *		What keys of another spelling are found by, taken anew.
 */
#ifndef SYNCUP_KEY_HASH_H
#define SYNCUP_KEY_HASH_H

#include "config/config.h"

/* Of an entity type whose target was looked at: of previous and delta. */
extern void key_hashes_renew(const Mapping *mapping);

#endif							/* SYNCUP_KEY_HASH_H */
