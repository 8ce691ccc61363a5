"""Records in, pages and tables out: a pure function of records, which know their scenarios' words themselves.

gather.py    reads any number of records into one set of plays, and says what is odd about them
compare.py   cells, where runtimes and where stacks disagree, the difference between two records
page.py      the page: matrix, disagreements, a section a scenario (page.html.j2, parts.html.j2, page.css, page.js)
drawing.py   the ladder as a picture
exports.py   JUnit XML, CTRF JSON, CSV, Markdown, a badge
pcapng.py    the packets of a play with a comment each
text.py      everybody else's words, made safe to show
"""

from faultlab.report.gather import Gathered, Oddity, Seen, Source, gather

__all__ = ["Gathered", "Oddity", "Seen", "Source", "gather"]
