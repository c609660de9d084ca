"""`als study`: persons take part in a study in the browser, one after the other, without a name."""
