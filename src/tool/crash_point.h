/*
 * crash_point.h
 *		Named places at which a test stops the server process.
 *
 * An extension that is built as usual holds nothing of this.  `make
 * CRASH_POINTS=1` builds one for test/t/120_crash.pl and 130_faults.pl.
 */
#ifndef CRASH_POINT_H
#define CRASH_POINT_H

#ifdef SYNCUP_CRASH_POINTS

#define CRASH_POINT(place)	crash_point(place)

extern void crash_points_init(void);
extern void crash_point(const char *place);

#else

#define CRASH_POINT(place)	((void) 0)
#define crash_points_init()	((void) 0)

#endif
#endif
