/*
 * digest_epoch.h
 *		What the digests of a mapping are taken with.
 */
#ifndef SYNCUP_DIGEST_EPOCH_H
#define SYNCUP_DIGEST_EPOCH_H

#include "syncup.h"
#include "config/config.h"
#include "digest/row_digest.h"

/* The mapping's present epoch; a new one where it has none. */
extern void digest_epoch_load(DigestEpoch *epoch, const Mapping *mapping);

/*
 * Ends the epoch of a mapping, or of all of a connector (NULL): what its rows
 * mean has changed, and what was kept of them does not hold any more.
 */
extern void digest_epoch_end(const char *connector, const char *mapping);

#endif							/* SYNCUP_DIGEST_EPOCH_H */
