"""A shared yard whose fruit grows back only while people hold back and keep the river clean."""
